#compdef persistctl
# zsh completion for persistctl. The package installs it; else, in ~/.zshrc behind compinit:
#   source <(persistctl completion zsh)
#
# persistctl itself knows what may come next: this asks it, and hands the answer to zsh.

# A word without its quotes, ~/ and $NAME replaced, as far as that runs nothing. Into REPLY.
__persistctl_plain() {
	local word=${(Q)1}
	if [[ $1 == '~/'* ]]; then
		word=$HOME${word#\~}
	elif [[ $1 == (#b)(|\")\$(|\{)([A-Za-z_][A-Za-z0-9_]#)(|\})(*) ]]; then
		word=${(P)match[3]}${(Q)${:-$match[1]$match[5]}}
	fi
	REPLY=$word
}

_persistctl() {
	emulate -L zsh -o extendedglob
	local -a arguments names shown suffix
	local word line name about what='' before='' REPLY ctl
	for word in "${(@)words[1,CURRENT-1]}" "$PREFIX"; do
		__persistctl_plain "$word"
		arguments+=("$REPLY")
	done
	ctl=$arguments[1]
	(( $+commands[$ctl] )) || [[ $ctl == */* && -x $ctl ]] || ctl=persistctl
	shift arguments

	local answer="$($ctl __complete "${(@)arguments}" 2>/dev/null)"
	# of --status=running,fa only fa is completed and shown
	[[ $arguments[-1] != --[^=]#=* ]] || before=${arguments[-1]%%=*}=
	for line in "${(@f)answer}"; do
		name=${line%%$'\t'*} about=${line#*$'\t'}
		case $line in
		('') ;;
		(:list) what=list; before=${arguments[-1]%${arguments[-1]##*[,=]}} ;;
		(:files*) what=files before=${line#:files } ;;
		(:directories*) what=directories before=${line#:directories } ;;
		(*) names+=("$name") shown+=("$about") ;;
		esac
	done
	IPREFIX+=$before PREFIX=${PREFIX#$before}
	case $what in
	(files) _files; return ;;
	(directories) _files -/; return ;;
	# a blank, in the place of which a comma may be typed; within quotes they close
	(list) [[ -n $QIPREFIX ]] || suffix=(-S ' ' -r ' ,\t\n\-') ;;
	esac
	(( $#names )) || return 1
	local -a described
	local i
	for (( i = 1; i <= $#names; i++ )); do
		described+=("${${names[i]#$before}//:/\\:}${shown[i]:+:$shown[i]}")
	done
	_describe -V -t values persistctl described $suffix
}

if [[ $funcstack[1] == _persistctl ]]; then
	_persistctl "$@"
else
	compdef _persistctl persistctl
fi
