#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# bash, zsh and fish complete every verb, option and class: those that netshim itself
# names, in the real shells, with the files where they are installed.
. "$(dirname "$0")/lib.sh"

for shell in bash zsh fish; do command -v $shell >/dev/null || cannot_run "needs $shell"; done
[ -e /usr/share/bash-completion/bash_completion ] || cannot_run "needs bash-completion"
share=$root/usr/share
mkdir "$scratch/home" "$scratch/files" "$scratch/files/folder"
touch "$scratch/files/one.conf"
export HOME=$scratch/home XDG_DATA_DIRS=$share:/usr/share PATH=${netshim%/*}:$PATH
configure <<EOT
class lan { }
class lan-2 { lock = true }
EOT

# Each prints what the shell offers for a command line with a tab behind it, one a line.

bash_offers() { # bash_offers LINE
	bash --norc -c '
		. /usr/share/bash-completion/bash_completion
		read -ra COMP_WORDS <<<"$1"
		[[ $1 != *" " ]] || COMP_WORDS+=("")
		COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_LINE=$1 COMP_POINT=${#1}
		_completion_loader netshim 2>/dev/null
		compopt() { :; } # outside of a completion it complains
		_netshim netshim "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
		printf "%s\n" "${COMPREPLY[@]}"' bash "$1" | sort -u
}

# shellcheck disable=SC2016 # for fish
fish_offers() { fish -c 'complete -C $argv[1]' -- "$1" | cut -f 1 | sort -u; }

# An interactive one, as zsh completes nowhere else. It notes what is added to the list.
zsh_offers() {
	zsh -f -c '
		zmodload zsh/zpty
		zpty shell zsh -f -i
		zpty -w shell "fpath=($2/zsh/site-functions \$fpath); autoload -U compinit; compinit -D -u"
		zpty -w shell "compadd() {
			[[ \${@[1,(i)(-|--)]} == *-[OAD]\\ * ]] || { local -a hits; builtin compadd -O hits \"\$@\"; print -rl -- \$hits >>$3; }
			builtin compadd \"\$@\" }"
		zpty -w shell "offer() { _main_complete; : >>$3; : >$3.ended }; zle -C offer list-choices offer; bindkey \"^I\" offer"
		zpty -w shell ": >$3.ready"
		for ((i = 0; i < 500; i++)) [[ -e $3.ready ]] || sleep 0.02
		zpty -w -n shell "$1"$'\''\t'\''
		for ((i = 0; i < 500; i++)) [[ -e $3.ended ]] || sleep 0.02
		zpty -d shell' zsh "$1" "$share" "$scratch/hits"
	sort -u "$scratch/hits" | sed '/^$/d'
	rm -f "$scratch"/hits*
}

words() { sort -u | paste -sd ' '; }
help=$(netshim --help)
verbs=$(sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p' <<<"$help")

# No verb takes the name of a package or of an interface: those are in the configuration.
is "$(for verb in $verbs; do netshim "$verb" --help | head -n 1; done | grep -oE '\b[A-Z]{2,}\b' | words)" \
	"ADDRESS ARG CLASS COMMAND DURATION FILE FOLDER PID PORT PROGRAM SECONDS TIME USER" "what verbs take is tried here, or cannot be known"

for shell in bash zsh fish; do
	offers() { "${shell}_offers" "$1" | paste -sd ' '; }
	is "$(offers "netshim ")" "$(words <<<"$verbs")" "$shell: the verbs"
	is "$(offers "netshim -")" "$(sed -n 's/^  \(-[a-z-]*\) .*/\1/p' <<<"$help" | words)" "$shell: the options before the verb"
	for verb in $verbs; do
		is "$(offers "netshim $verb -")" "$({ netshim "$verb" --help | head -n 1 | sed "s/.* $verb\>//" | grep -oE '[ [|](-[a-z]|--[a-z-]+)\>' | cut -c 2-; echo --help; } | words)" \
			"$shell: $verb, its options"
	done
	is "$(offers "netshim ps l")" "lan lan-2" "$shell: the classes"
	is "$(offers "netshim run ")" "lan lan-2" "$shell: and in run"
	is "$(offers "netshim move ")" "lan lan-2 none" "$shell: and for move, none"
	like " $(offers "netshim move lan 1 ") " " $$ " "$shell: process ids"
	is "$(offers "netshim run lan dnsmas")" "dnsmasq" "$shell: a command to run"
	is "$(offers "netshim run lan -- dnsmas")" "dnsmasq" "$shell: and behind --"
	is "$(offers "netshim trace dnsmas")" "dnsmasq" "$shell: a command to trace"
	like " $(offers "netshim trace -u nobod") " " nobody " "$shell: as a user"
	is "$(offers "netshim trace -u nobody --json dnsmas")" "dnsmasq" "$shell: and a command behind that"
	is "$(offers "netshim which dnsmas") $(offers "netshim doctor dnsmas")" "dnsmasq dnsmasq" "$shell: a program"
	for verb in blocked lift ruleset watch; do
		is "$(offers "netshim $verb lan-")" "lan-2" "$shell: $verb, a class"
	done
	is "$(offers "netshim lift ")" "--unclassified lan lan-2" "$shell: or to lift what is in none"
	for what in lan --unclassified; do
		is "$(offers "netshim lift $what ")" "off" "$shell: behind $what, to lift it no more"
	done
	for options in "" "-f " "--follow --json "; do
		is "$(offers "netshim blocked $options")" "lan lan-2 unclassified" "$shell: blocked $options, the classes and what is in none"
	done
	for before in "check" "-c" "up -c" "status --json"; do
		like "$(offers "netshim $before $scratch/files/o" | sed 's/ $//')" "$([[ $before == *-c || $before == check ]] && [[ $before != up* ]] && echo '/one.conf$|^one.conf$' || echo '^$')" \
			"$shell: $before, a file"
	done
	is "$(offers "netshim units $scratch/fil" | sed "s|[/ ]*\$||; s|.*/||")" "files" "$shell: units, a folder"
	is "$(offers "netshim -c $scratch/files/one.conf rel")" "reload" "$shell: a verb after an option"

	# A word may be anything: it is compared, and no program or pattern of another tool's.
	offers() { "${shell}_offers" "$1" 2>&1 | paste -sd ' '; }
	# shellcheck disable=SC2016 # for who takes it as a program
	program="'s/x/;etouch\${IFS}$scratch/ran;#'"
	is "$(offers "netshim which gcc -I/usr/include --he")" "--help" "$shell: behind an option of another program's"
	is "$(offers "netshim ps -$program --tr")" "--tree" "$shell: behind a program for sed"
	is "$(offers "netshim trace -. dnsmas") $(offers "netshim trace --$program dnsmas")" "dnsmasq dnsmasq" "$shell: no word is a pattern"
	is "$(offers "netshim trace -'[(' dnsmas")" "dnsmasq" "$shell: nor half of one"
	is "$(offers "netshim $program --he") $(offers "netshim 'ps[(' --he")" "--help --help" "$shell: nor is a verb"
	is "$(offers "netshim run lan echo ';' dnsmas")" "" "$shell: what separates commands is a word in quotes"
	[ ! -e "$scratch/ran" ]
	ok $? "$shell: nothing is run"
	rm -f "$scratch/ran"
done
"$netshim" down
for shell in bash zsh fish; do
	is "$("${shell}_offers" "netshim run ")" "" "$shell: no classes while it is down"
done

finish
