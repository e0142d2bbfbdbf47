package hqbridge.nextflow;

import com.google.gson.JsonArray;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import java.util.Map;
import java.util.regex.Pattern;

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

    /** @param environment of this process */
    static JsonObject of(Map<String, String> environment) {
        JsonObject env = new JsonObject();
        JsonArray secret = new JsonArray();
        environment.forEach((name, value) -> {
            if (!SOFTWARE.matcher(name).matches()) return;
            env.addProperty(name, value);
            if (SECRET.matcher(name).find()) secret.add(name);
        });
        JsonArray command = new JsonArray();
        command.add("/bin/bash");
        command.add(".command.run");
        JsonObject shared = new JsonObject();
        shared.add("command", command);
        shared.add("env", env);
        shared.add("secretEnv", secret);
        // The wrapper writes files of its own.
        shared.add("stdout", JsonNull.INSTANCE);
        shared.add("stderr", JsonNull.INSTANCE);
        return shared;
    }
}
