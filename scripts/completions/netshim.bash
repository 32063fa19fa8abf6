# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers
# shellcheck shell=bash

# What bash completes after netshim. The verbs and what they take are as the command
# itself tells in netshim --help and netshim VERB --help.

# The words for one kind of argument, as a usage has it: CLASS, or CLASS|none.
_netshim_kind() { # _netshim_kind NETSHIM KIND WORD
	local alternative
	for alternative in ${2//|/ }; do
		case $alternative in
		CLASS) compgen -W "$("$1" status --json 2>/dev/null | grep -o '"name": "[^"]*"' | cut -d '"' -f 4)" -- "$3" ;;
		PID) compgen -W "$(printf '%s\n' /proc/[0-9]* | sed 's|.*/||')" -- "$3" ;;
		FILE) compgen -f -- "$3" ;;
		FOLDER) compgen -d -- "$3" ;;
		USER) compgen -u -- "$3" ;;
		PROGRAM) compgen -c -f -- "$3" ;;
		*[!a-z-]*) ;;
		*) compgen -W "$alternative" -- "$3" ;;
		esac
	done
}

_netshim() {
	local netshim=${COMP_WORDS[0]} kind='' verb='' options='' usage word at count=0
	local -a kinds

	for ((at = 1; at < COMP_CWORD; at++)); do
		case ${COMP_WORDS[at]} in
		-c) [ $((++at)) -lt "$COMP_CWORD" ] || kind=FILE ;;
		-*) ;;
		*) verb=${COMP_WORDS[at]} && break ;;
		esac
	done
	if [ -n "$verb" ]; then
		usage=$("$netshim" "$verb" --help 2>/dev/null | head -n 1)
		usage=${usage#usage: *" $verb"}
		options="$(grep -oE -e '[[|]-[a-z-]*[a-z]' <<<"$usage" | tr -d '[|') --help"
		read -ra kinds <<<"$(sed 's/\[-[^]]*\]//g; s/[][]//g' <<<"$usage")"
		for ((at++; at < COMP_CWORD; at++)); do
			word=${COMP_WORDS[at]}
			case $word in
			--) ;;
			-*) # in the place of a word? with an argument?
				[[ ${kinds[count]:-}\| != *"|$word|"* ]] || { ((++count)) && continue; }
				[[ $usage == *"[$word "* ]] || continue
				kind=${usage#*"[$word "} kind=${kind%%]*}
				[ $((++at)) -eq "$COMP_CWORD" ] || kind=''
				;;
			*)
				[ "${kinds[count]:-}" != COMMAND... ] || break
				[[ ${kinds[count]:-} == *... ]] || ((++count))
				;;
			esac
		done
		[ -n "$kind" ] || kind=${kinds[count]:-}
		kind=${kind%...}
	elif [ -z "$kind" ]; then
		options=$("$netshim" --help 2>/dev/null | sed -n 's/^  \(-[a-z-]*\) .*/\1/p')
	fi

	if [ "$kind" = COMMAND ] && [[ $2 != -* || $at -lt $COMP_CWORD ]] && declare -F _command_offset >/dev/null; then
		_command_offset "$at"
	elif [[ $2 == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$options" -- "$2")
	elif [ -n "$verb$kind" ]; then
		[[ $kind != FILE && $kind != FOLDER && $kind != PROGRAM ]] || compopt -o filenames
		mapfile -t COMPREPLY < <(_netshim_kind "$netshim" "${kind/COMMAND/PROGRAM}" "$2")
	else
		mapfile -t COMPREPLY < <(compgen -W "$("$netshim" --help 2>/dev/null | sed -n 's/^  \([a-z]*\) .*/\1/p')" -- "$2")
	fi
}

complete -F _netshim netshim
