# Sourced (BASH_ENV) by every bash below `hq compare snakemake`. In one that Snakemake has started for a job it notes, at its end, how long the job's
# command took: start and end in Unix seconds, job. Everywhere else, and before bash 5, it does nothing. No process is started, so that it costs the job next to nothing.
if [[ -n ${BASH_EXECUTION_STRING-} && -n ${HQ_COMPARE_RECORDS-} && -n ${EPOCHREALTIME-} && -r /proc/$PPID/cmdline ]]; then
  if [[ -n ${HQ_COMPARE_TARGETS-} ]]; then
    # Below a warm runner, whose command line says nothing of the job.
    mapfile -t hq_compare_words <<< "--target-jobs"$'\n'"$HQ_COMPARE_TARGETS"$'\n'"--"
  else
    mapfile -d '' -t hq_compare_words < "/proc/$PPID/cmdline"
  fi
  for hq_compare_index in "${!hq_compare_words[@]}"; do
    # Of a group of jobs nobody could say which one this is.
    if [[ ${hq_compare_words[hq_compare_index]} == --target-jobs && ${hq_compare_words[hq_compare_index + 2]-} == --* ]]; then
      unset BASH_ENV HQ_COMPARE_TARGETS
      hq_compare_target=${hq_compare_words[hq_compare_index + 1]}
      hq_compare_start=$EPOCHREALTIME
      # A command with `set -e` must not fail for a note that cannot be written.
      trap 'printf "%s %s %s\n" "${hq_compare_start/,/.}" "${EPOCHREALTIME/,/.}" "$hq_compare_target" 2> /dev/null >> "$HQ_COMPARE_RECORDS/$HOSTNAME" || :' EXIT
      break
    fi
  done
  unset hq_compare_words hq_compare_index
fi
