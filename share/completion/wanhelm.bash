# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# wanhelm.bash: completion for the command, loaded by bash-completion.  Verbs and their options are asked of the
# command itself (`wanhelm help`), names of WANs and classes of the controller or the maps, so that nothing is
# said here a second time.

# Runs the command that is being completed, where its line says it should look.
_wanhelm_ask() {
	"${COMP_WORDS[0]}" "${_wanhelm_dirs[@]}" "$@" 2>/dev/null
}

# The verbs that are built, one a line; some have two words.
_wanhelm_verbs() {
	_wanhelm_ask help --json | grep -o '{"name": "[^}]*"built": true' | sed 's/^{"name": "\([^"]*\)".*/\1/'
}

# The words with which a verb can go on after the word $1, or begin.
_wanhelm_next() {
	if [[ -n $1 ]]; then
		_wanhelm_verbs | awk -v group="$1 " 'index($0, group) == 1 { print substr($0, length(group) + 1) }'
	else
		_wanhelm_verbs | cut -d' ' -f1 | sort -u
	fi
}

# The options of a verb, if there is one yet, and of all verbs, one a line.
_wanhelm_options() {
	# shellcheck disable=SC2086 # a verb may be two words
	{ [[ -z $1 ]] || _wanhelm_ask help $1; _wanhelm_ask help | sed '1,/^options of every verb/d'; } |
		sed -n 's/^  \(-.,\|   \) \(--[a-z-]*\).*/\2/p'
}

_wanhelm_wans() {
	_wanhelm_ask status --json | grep -o '"name": "[^"]*", "device"' | cut -d'"' -f4
}

_wanhelm_classes() {
	_wanhelm_ask status --json | grep -o '"name": "[^"]*", "wans"' | cut -d'"' -f4
}

# From the words before the cursor: _wanhelm_dirs, and in _wanhelm_words those that are neither options nor
# options' arguments.
_wanhelm_read_line() {
	local i
	_wanhelm_dirs=() _wanhelm_words=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--run-dir | --bpf-dir)
			_wanhelm_dirs+=("${COMP_WORDS[i]}" "${COMP_WORDS[i + 1]}")
			i=$((i + 1))
			;;
		--for | --reason | --wan | --class | --src | --top | --since | --config | -c | --proto | --sport | --dport | --in | --dscp) i=$((i + 1)) ;;
		-*) ;;
		*) _wanhelm_words+=("${COMP_WORDS[i]}") ;;
		esac
	done
}

# The verb that the words begin with, if it is complete.
_wanhelm_verb() {
	local verbs words=${_wanhelm_words[*]:0:2}
	verbs=$(_wanhelm_verbs)
	grep -Fx -e "$words" <<<"$verbs" || grep -Fx -e "${_wanhelm_words[0]}" <<<"$verbs"
}

# What may stand in an operand's place.
_wanhelm_operands() {
	local n=${#_wanhelm_words[@]}
	case $1 in
	wan\ list) ;;
	wan\ *) [[ $n -gt 2 ]] || _wanhelm_wans ;;
	failback) [[ $n -gt 1 ]] || _wanhelm_wans ;;
	class\ list) ;;
	class\ *)
		case $n in
		2) _wanhelm_classes ;;
		3) [[ $1 != class\ pin ]] || _wanhelm_wans ;;
		esac
		;;
	help) [[ $n -gt 2 ]] || _wanhelm_next "${_wanhelm_words[1]:-}" ;;
	esac
}

_wanhelm() {
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} verb
	local _wanhelm_dirs _wanhelm_words
	_wanhelm_read_line
	COMPREPLY=()
	case $previous in
	--run-dir | --bpf-dir) mapfile -t COMPREPLY < <(compgen -d -- "$current") && return ;;
	--wan) mapfile -t COMPREPLY < <(compgen -W "$(_wanhelm_wans)" -- "$current") && return ;;
	--class) mapfile -t COMPREPLY < <(compgen -W "$(_wanhelm_classes)" -- "$current") && return ;;
	--config | -c) mapfile -t COMPREPLY < <(compgen -f -- "$current") && return ;;
	--for | --reason | --src | --top | --since) return ;;
	esac
	verb=$(_wanhelm_verb)
	if [[ $current == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_wanhelm_options "$verb")" -- "$current")
	elif [[ $verb == check ]]; then
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
	elif [[ -n $verb ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_wanhelm_operands "$verb")" -- "$current")
	elif [[ ${#_wanhelm_words[@]} -le 1 ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_wanhelm_next "${_wanhelm_words[0]:-}")" -- "$current")
	fi
}

complete -o filenames -F _wanhelm wanhelm
