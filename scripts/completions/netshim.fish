# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# What fish completes after netshim. The verbs and what they take are as the command
# itself tells in netshim --help and netshim VERB --help.

# The words for one kind of argument, as a usage has it: CLASS, or CLASS|none.
function __netshim_kind --argument-names netshim kind word
    for alternative in (string split '|' -- $kind)
        switch $alternative
            case CLASS
                $netshim status --json 2>/dev/null | string match -arg '"name": "([^"]*)"'
            case PID
                string match -rg '^/proc/([0-9]+)$' /proc/*
            case FILE
                __fish_complete_path $word
            case FOLDER
                __fish_complete_directories $word
            case USER
                __fish_complete_users
            case PROGRAM
                complete -C "" | string match -- "$word*"
                __fish_complete_path $word
            case '*'
                string match -r '^[a-z-]+$' -- $alternative
        end
    end
end

function __netshim
    set -l words (commandline -opc)
    set -l word (commandline -ct)
    set -l netshim $words[1]
    set -l at 2
    set -l verb
    set -l kind
    while test $at -le (count $words)
        switch $words[$at]
            case -c
                set at (math $at + 1)
                test $at -le (count $words); or set kind FILE
            case '-*'
            case '*'
                set verb $words[$at]
                break
        end
        set at (math $at + 1)
    end

    if test -z "$verb" -a -z "$kind"
        # the verb, and behind two blanks what it does; or the option
        if string match -q -- '-*' $word
            $netshim --help 2>/dev/null | string replace -rf '^  (-[a-z-]+)(?: [A-Z]+)?  +(.*)' '$1\t$2'
        else
            $netshim --help 2>/dev/null | string replace -rf '^  ([a-z]+) .*  (.*)' '$1\t$2'
        end
        return
    end
    if test -n "$verb"
        set -l usage ($netshim $verb --help 2>/dev/null | string match -rg '^usage: .*? '(string escape --style=regex -- $verb)'\b *(.*)')
        set -l kinds (string replace -ra '\[-[^]]*\]' '' -- $usage | string replace -ra '[][]' '' | string match -ra '[^ ]+')
        set -l count 1
        set at (math $at + 1)
        while test $at -le (count $words)
            switch $words[$at]
                case --
                case '-*' # in the place of a word? with an argument?
                    if contains -- $words[$at] (string split '|' -- $kinds[$count])
                        set count (math $count + 1)
                        set at (math $at + 1)
                        continue
                    end
                    set kind (string match -rg '\['(string escape --style=regex -- $words[$at])' ([A-Z]+)\]' -- $usage)
                    set at (math $at + 1)
                    test $at -gt (count $words); and continue
                    set at (math $at + (count $kind))
                    set kind
                    continue
                case '*'
                    test "$kinds[$count]" != COMMAND...; or break
                    string match -q '*...' -- $kinds[$count]; or set count (math $count + 1)
            end
            set at (math $at + 1)
        end
        test -n "$kind"; or set kind $kinds[$count]
        if string match -q -- '-*' $word
            string match -rag -- '[[|](-[a-z-]*[a-z])' $usage
            echo --help
        end
    end
    if test "$kind" = COMMAND...
        set -e words[1..(math $at - 1)]
        complete -C (string join ' ' -- (string escape -- $words) "$word")
    else
        __netshim_kind $netshim (string replace ... '' -- "$kind") "$word"
    end
end

complete -c netshim -f -a '(__netshim)'
