# shellcheck shell=bash
# Writes this process's environment as lines that any POSIX shell can read back: BASE.before, BASE.after.
#
# Reads /proc/self/environ: the exact bytes, whatever they hold, with nothing but bash.
LC_ALL=C
base=$1 when=$2 hidden=" $3 "
escaped_quote="'\\''"
text='' functions='' names=$'\n'
while IFS= read -r -d '' entry; do
    name=${entry%%=*} value=${entry#*=}
    if [[ $name == BASH_FUNC_*%% && $value == '() '* ]]; then
        name=${name#BASH_FUNC_} name=${name%%%}
        name=${name%\%}
        functions+="$name $value"$'\n'"export -f $name"$'\n'
        continue
    fi
    [[ $name =~ ^[A-Za-z_][A-Za-z0-9_]*$ ]] || continue
    name=${name#AGENTS_RUNNER_KEPT_}
    case $name in
        # What the shell and the engine set anew in every process is nobody's export.
        PWD | OLDPWD | SHLVL | _ | HOSTNAME | USER | LOGNAME | AGENTS_RUNNER* | BASHOPTS | SHELLOPTS) continue ;;
    esac
    # A secret that came as a variable is for this stage only.
    [[ $hidden != *" $name "* ]] || continue
    value=${value//\'/"$escaped_quote"}
    text+="export $name='$value'"$'\n'
    names+=$name$'\n'
done </proc/self/environ

if [[ $when == before ]]; then
    printf '%s' "$names" >|"$base.names"
else
    # What the script unset stays unset for those after it.
    while IFS= read -r name; do
        [[ -z $name || $names == *$'\n'"$name"$'\n'* ]] || text+="unset $name"$'\n'
    done <"$base.names"
    if [[ -n $functions ]]; then printf '%s' "$functions" >|"${base%/*}/functions.bash"; fi
fi
printf '%s' "$text" >|"$base.$when"
