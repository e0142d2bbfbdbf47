package hqbridge.nextflow;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import nextflow.executor.BashTemplateEngine;
import nextflow.executor.BashWrapperBuilder;
import nextflow.processor.TaskBean;
import nextflow.processor.TaskRun;

/**
 * Writes {@code .command.run}: Nextflow's own wrapper, without the processes that a task on a worker does not need. Nextflow's starts a dozen
 * around the script; most of them copy its output ({@code tee}), which a redirection does as well, or sample its memory ({@code ps}), which the
 * worker does better. Everything else (staging, containers, scratch, environments, signals) stays as the running version of Nextflow has it.
 */
final class Wrapper extends BashWrapperBuilder {
    private static final long serialVersionUID = 1L;
    private static final Pattern LAUNCH = Pattern.compile(
            "(?m)^( *)\\(set -o pipefail; \\(nxf_launch \\| tee \\{\\{stdout_file}}\\) .*\\| tee \\{\\{stderr_file}}\\).* &$");
    private static final Pattern UNSTAGE = Pattern.compile(
            "(?m)^( *)\\(set -e -o pipefail; \\(nxf_unstage_outputs \\| tee -a \\{\\{stdout_file}}\\) .*$");
    private static final Pattern EXIT = Pattern.compile("(?m)^( *)printf -- \\$exit_status \\{\\{exit_file}}$");
    private static final Pattern DEBUG = Pattern.compile("(?m)^NXF_DEBUG=.*$");
    private static final BashTemplateEngine ENGINE = new BashTemplateEngine();
    /** Null: the running Nextflow's template is not one that is known here. */
    private static final String TEMPLATE = template();

    /** Where the output of a task goes. */
    enum Output {
        /** Files in the task's directory, as with every executor. */
        FILES(" > .command.out 2> .command.err", " >> .command.out 2>> .command.err"),
        /** The consolidated log of the run. */
        LOG("", ""),
        /** The consolidated log, but for standard output, which Nextflow reads. */
        LOG_AND_STDOUT(" > .command.out", " >> .command.out");

        private final String launch;
        private final String unstage;

        Output(String launch, String unstage) {
            this.launch = launch;
            this.unstage = unstage;
        }
    }

    private final transient Path folder;
    private final boolean isTraced;
    private final Output output;

    /**
     * @param bean of the task; its sampling is switched off
     * @param isTraced whether the user asked for metrics
     */
    Wrapper(TaskBean bean, boolean isTraced, Output output) {
        super(bean);
        setStatsEnabled(false);
        folder = bean.getWorkDir();
        this.isTraced = isTraced;
        this.output = output;
    }

    /** @return whether the running Nextflow's wrapper can be shortened */
    static boolean isPossible() {
        return TEMPLATE != null;
    }

    @Override
    public Path build() {
        Map<String, String> binding = makeBinding();
        binding.put("hq_start", startSnippet());
        binding.put("hq_launch", "nxf_launch" + output.launch + " &");
        binding.put("hq_unstage", "(set -e; nxf_unstage_outputs)" + output.unstage);
        binding.put("hq_trace", isTraced ? traceSnippet() : null);
        try {
            Path wrapper = folder.resolve(TaskRun.CMD_RUN);
            Files.writeString(wrapper, ENGINE.render(TEMPLATE, binding));
            // Only now: the binding has completed it.
            Files.writeString(folder.resolve(TaskRun.CMD_SCRIPT), getScript());
            if (getInput() != null) Files.writeString(folder.resolve(TaskRun.CMD_INFILE), getInput().toString());
            return wrapper;
        } catch (IOException error) {
            throw new UncheckedIOException("the wrapper of the task cannot be written: " + error, error);
        }
    }

    @Override
    public String touchFile(Path file) {
        // The server tells of the start; the file is for people who look into the directory.
        if (output != Output.FILES) return null;
        // As long as it is no remote file, a builtin does it.
        String command = super.touchFile(file);
        return command.startsWith("touch /") ? ": > " + command.substring("touch ".length()) : command;
    }

    @Override
    protected String getLaunchCommand(String interpreter, String env) {
        String command = super.getLaunchCommand(interpreter, env);
        // It is called in a subshell of its own, which then need not wait for it.
        return isContainerEnabled() ? command : "exec " + command;
    }

    @Override
    protected String stageCommand(String stagingScript) {
        // Never in a file of its own (.command.stage): that is for batch systems which limit the size of scripts.
        return stagingScript == null || stagingScript.isEmpty() ? null : "# stage input files\n" + stagingScript;
    }

    /** A task that was lost with its worker starts again in the same directory, which has to be as it was before the first attempt. */
    private String startSnippet() {
        String log = output == Output.FILES ? "exec > " + fileStr(folder.resolve(TaskRun.CMD_LOG)) + " 2>&1\n" : "";
        return log + """
                [[ ${HQ_INSTANCE_ID:-0} == 0 ]] || find %s -mindepth 1 -maxdepth 1 ! -name .command.run ! -name .command.sh ! -name .command.in \
                    ! -name .command.log -exec rm -rf {} + || true
                """.formatted(fileStr(folder));
    }

    /** What the kernel has counted for the wrapper and all its children that have ended: input, output; and the CPU's name. */
    private String traceSnippet() {
        String file = fileStr(folder.resolve(TaskRun.CMD_TRACE));
        return """
                {
                    echo 'nextflow.trace/v2'
                    while IFS=': ' read -r name value; do [[ $name == cancelled* ]] || echo "$name=$value"; done < /proc/$$/io
                    while IFS=: read -r name value; do
                        [[ $name == 'model name'* ]] && { echo "cpu_model=${value# }"; break; }
                    done < /proc/cpuinfo
                } > %s 2>/dev/null || true
                """.formatted(file);
    }

    private static String template() {
        try (InputStream resource = BashWrapperBuilder.class.getResourceAsStream("command-run.txt")) {
            if (resource == null) return null;
            String text = new String(resource.readAllBytes(), StandardCharsets.UTF_8);
            text = replaced(LAUNCH, text, "$1{{hq_launch}}");
            text = replaced(UNSTAGE, text, "$1{{hq_unstage}}");
            text = replaced(EXIT, text, "$0\n$1{{hq_trace}}");
            return replaced(DEBUG, text, "{{hq_start}}\n$0");
        } catch (IOException error) {
            return null;
        }
    }

    /** @return null where the text lacks it, or is null itself */
    private static String replaced(Pattern pattern, String text, String replacement) {
        if (text == null) return null;
        Matcher found = pattern.matcher(text);
        return found.find() ? found.replaceFirst(replacement) : null;
    }
}
