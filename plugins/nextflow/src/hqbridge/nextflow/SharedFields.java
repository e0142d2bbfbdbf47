package hqbridge.nextflow;

import com.google.gson.JsonArray;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import java.util.Map;
import java.util.regex.Pattern;
import nextflow.processor.TaskRun;

/** Fields that all tasks of a run share (model taskPatch). */
final class SharedFields {
    /**
     * What a software environment consists of. Everything else stays as the worker has it, which may be on another node; variables that a pipeline
     * needs are declared in it (scope {@code env}), and Nextflow's wrapper sets them.
     */
    private static final Pattern SOFTWARE = Pattern.compile(
            "PATH|LD_LIBRARY_PATH|LIBRARY_PATH|VIRTUAL_ENV|JAVA_HOME|R_HOME|R_LIBS\\w*|R_PROFILE\\w*|R_ENVIRON\\w*|PERL5LIB|GEM_PATH"
                    + "|JULIA_\\w+|PYTHON\\w+|CONDA_\\w+|MAMBA_\\w+|PIXI_\\w+|SPACK_\\w+|APPTAINER_\\w+|SINGULARITY_\\w+|DOCKER_\\w+"
                    + "|MODULEPATH|LOADEDMODULES|XDG_CACHE_HOME|LANG|LANGUAGE|LC_\\w+|TZ|\\w+_proxy|\\w+_PROXY|SSL_CERT_\\w+");
    private static final Pattern SECRET =
            Pattern.compile("TOKEN|SECRET|PASSW|CREDENTIAL|API_?KEY|ACCESS_?KEY|USERNAME", Pattern.CASE_INSENSITIVE);

    private SharedFields() {}

    /**
     * @param environment of this process
     * @param isStreamed whether what tasks print goes into the log of the job
     */
    static JsonObject of(Map<String, String> environment, boolean isStreamed) {
        JsonObject env = new JsonObject();
        JsonArray secret = new JsonArray();
        environment.forEach((name, value) -> {
            if (!SOFTWARE.matcher(name).matches()) return;
            env.addProperty(name, value);
            if (SECRET.matcher(name).find()) secret.add(name);
        });
        JsonObject shared = new JsonObject();
        shared.add("command", words("/bin/bash", TaskRun.CMD_RUN));
        shared.add("env", env);
        shared.add("secretEnv", secret);
        // The wrapper writes files of its own.
        if (!isStreamed) {
            shared.add("stdout", JsonNull.INSTANCE);
            shared.add("stderr", JsonNull.INSTANCE);
        }
        return shared;
    }

    /** @return the command of a task whose wrapper is Nextflow's own: it leaves the log to who starts it */
    static JsonArray commandWithLog() {
        return words("/bin/bash", "-c", "exec /bin/bash " + TaskRun.CMD_RUN + " > " + TaskRun.CMD_LOG + " 2>&1");
    }

    private static JsonArray words(String... words) {
        JsonArray command = new JsonArray();
        for (String word : words) command.add(word);
        return command;
    }
}
