/**
 * The scripts of `hq generate-completion`. They know nothing of the commands: each asks `hq __complete`, which prints a line per candidate, its description
 * behind a tab; a line `:files` or `:directories` lets the shell complete paths. So they need not be made anew for a new version.
 */

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** Completion of bash 3.2 and later; after a `=` bash hands over the value as a word of its own. */
const BASH = `# Completion of hq for bash: source this file, or put it where bash-completion looks for it.
_hq() {
  local word value paths='' IFS=$'\\n'
  local -a words=()
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD}"; do
    if (( \${#words[@]} > 0 )) && [[ $word == = || \${words[\${#words[@]}-1]} == --*= ]]; then
      words[\${#words[@]}-1]+=$word
    else
      words+=("$word")
    fi
  done
  local cur=\${COMP_WORDS[COMP_CWORD]}
  [[ $cur == = ]] && cur=''
  COMPREPLY=()
  while IFS=$'\\t' read -r value _; do
    case "$value" in
      :files) paths=-f ;;
      :directories) paths=-d ;;
      --*=?*) COMPREPLY+=("\${value#*=}") ;;
      ?*) COMPREPLY+=("$value") ;;
    esac
  done < <("\${COMP_WORDS[0]}" __complete -- "\${words[@]}" 2>/dev/null)
  if [[ -n $paths ]]; then
    compopt -o filenames 2>/dev/null
    COMPREPLY+=($(compgen $paths -- "$cur"))
  fi
}
complete -F _hq hq
`;

const ZSH = `#compdef hq
# Completion of hq for zsh: put this file as _hq into a directory of $fpath.
_hq() {
  local line value
  local -a candidates
  for line in "\${(@f)$("\${words[1]}" __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    value=\${line%%$'\\t'*}
    case "$value" in
      :files) _files ;;
      :directories) _files -/ ;;
      ?*) candidates+=("\${value//:/\\\\:}:\${line#*$'\\t'}") ;;
    esac
  done
  (( \${#candidates} )) && _describe -V 'hq' candidates
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _hq "$@"; else compdef _hq hq; fi
`;

const FISH = `# Completion of hq for fish: put this file as hq.fish into ~/.config/fish/completions.
function __hq_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l current $words[-1]
    for line in ($words[1] __complete -- $words[2..-1] 2>/dev/null)
        switch $line
            case ':files*'
                __fish_complete_path $current
            case ':directories*'
                __fish_complete_directories $current
            case '*'
                echo $line
        end
    end
end
complete -c hq -f -k -a '(__hq_complete)'
`;

const SCRIPTS: Readonly<Record<Shell, string>> = { bash: BASH, zsh: ZSH, fish: FISH };

/** @returns the script, ending with a line break; null for a shell that has none */
export function completionScript(shell: string): string | null {
  return Object.hasOwn(SCRIPTS, shell) ? SCRIPTS[shell as Shell] : null;
}
