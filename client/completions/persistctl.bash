# bash completion for persistctl. The package installs it; else, in ~/.bashrc:
#   source <(persistctl completion bash)
#
# persistctl itself knows what may come next: this asks it, and hands the answer to readline.

# A word without its quotes, ~/ and $NAME replaced, as far as that runs nothing. Into REPLY.
__persistctl_plain() {
	local rest=$1 quote='' char
	REPLY=''
	if [[ $rest == \~/* ]]; then
		REPLY=$HOME
		rest=${rest:1}
	fi
	while [[ -n $rest ]]; do
		char=${rest:0:1}
		rest=${rest:1}
		case $quote$char in
		\' | \") quote=$char ;;
		\'\' | \"\") quote='' ;;
		\'*) REPLY+=$char ;;
		\\ | \"\\)
			REPLY+=${rest:0:1}
			rest=${rest:1}
			;;
		\$ | \"\$)
			if [[ $rest =~ ^([A-Za-z_][A-Za-z0-9_]*) || $rest =~ ^\{([A-Za-z_][A-Za-z0-9_]*)\} ]]; then
				rest=${rest:${#BASH_REMATCH[0]}}
				char=${!BASH_REMATCH[1]-}
			fi
			REPLY+=$char
			;;
		*) REPLY+=$char ;;
		esac
	done
}

# The words up to the cursor as they are typed, into the caller's `words`. bash cuts them at = and : as well.
__persistctl_words() {
	local line=${COMP_LINE:0:COMP_POINT} blanks piece i
	words=()
	for ((i = 0; i <= COMP_CWORD; i++)); do
		blanks=${line%%[![:space:]]*}
		line=${line:${#blanks}}
		piece=${COMP_WORDS[i]}
		[[ $line == "$piece"* ]] || piece=$line # the cursor is in it
		line=${line:${#piece}}
		if [[ $i == 0 || -n $blanks ]]; then
			words+=("$piece")
		else
			words[-1]+=$piece
		fi
	done
}

# Without redirections, each word as persistctl would get it. False: the cursor is at a redirection's file.
__persistctl_arguments() {
	local word kept=() redirection='^[0-9&]*[<>]' bare='[<>&|]$' target='' next=''
	for word in "${words[@]}"; do
		target=$next next=''
		if [[ $word =~ $redirection ]]; then
			target=1
			[[ ! $word =~ $bare ]] || next=1
		elif [[ -z $target ]]; then
			__persistctl_plain "$word"
			kept+=("$REPLY")
		fi
	done
	words=("${kept[@]}")
	[[ -z $target ]]
}

# Files behind an @, which readline takes for a part of their names. $1: how they begin, $2: as it is typed.
__persistctl_files_at() {
	local path
	while IFS= read -r path; do
		[[ ! -d $path ]] || path+=/
		[[ $2 == *[\"\']* ]] || printf -v path %q "$path"
		COMPREPLY+=("@$path")
	done < <(compgen -f -- "$1")
	[[ ${COMPREPLY-} != */ ]] || compopt -o nospace
}

_persistctl() {
	local words typed word head REPLY
	COMPREPLY=()
	__persistctl_words
	typed=${words[-1]}
	if ! __persistctl_arguments; then
		compopt -o default
		return
	fi
	# readline replaces only the end of the last word, which is $2
	__persistctl_plain "$2"
	head=${words[-1]%"$REPLY"}
	type -P -- "${words[0]}" >/dev/null || words[0]=persistctl
	while IFS=$'\t' read -r word _; do
		case $word in
		:files*@) __persistctl_files_at "${words[-1]#"${word#:files }"}" "$typed" ;;
		:files*) compopt -o default ;;
		:directories*) compopt -o dirnames ;;
		:list) compopt -o nospace ;;
		*) COMPREPLY+=("${word#"$head"}") ;;
		esac
	done < <("${words[0]}" __complete "${words[@]:1}" 2>/dev/null)
}

complete -o nosort -F _persistctl persistctl
