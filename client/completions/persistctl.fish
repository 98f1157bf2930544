# fish completion for persistctl. The package installs it; else:
#   persistctl completion fish > ~/.config/fish/completions/persistctl.fish
#
# persistctl itself knows what may come next: this asks it, and hands the answer to fish.

# ~/ and $NAME replaced, as far as that runs nothing.
function __persistctl_plain
    for word in $argv
        set -l parts (string match -r '^\$([A-Za-z_][A-Za-z0-9_]*)(.*)$' -- $word)
        if set -q parts[2]
            set -l name $parts[2]
            printf '%s\n' "$$name$parts[3]"
        else
            string replace -r '^~/' "$HOME/" -- $word
        end
    end
end

# Paths behind what stands before them in the word; with a pattern, those that match.
function __persistctl_paths -a before word pattern
    set -l typed (string sub -s (math (string length -- $before) + 1) -- $word)
    for path in (__fish_complete_path $typed | string match -r -- $pattern)
        printf '%s%s\n' $before $path
    end
end

function __persistctl_complete
    set -l words (commandline -opc)
    set -l word (commandline -ct | string unescape; or commandline -ct)
    set -l ctl $words[1]
    command -q $ctl; or set ctl persistctl
    for line in ($ctl __complete (__persistctl_plain $words[2..] $word) 2>/dev/null)
        set -l before (string replace -r '^:\w+ ?' '' -- $line)
        switch $line
            case ':files*'
                __persistctl_paths "$before" "$word" '.*'
            case ':directories*'
                __persistctl_paths "$before" "$word" '^[^\t]*/(\t.*)?$'
            case ':*'
            case '*'
                printf '%s\n' $line
        end
    end
end

complete -c persistctl -f -k -a '(__persistctl_complete)'
