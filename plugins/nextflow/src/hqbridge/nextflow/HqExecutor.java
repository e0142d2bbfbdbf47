package hqbridge.nextflow;

import java.nio.file.FileSystems;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import nextflow.executor.Executor;
import nextflow.executor.SupportedScriptTypes;
import nextflow.executor.TaskArrayExecutor;
import nextflow.processor.TaskHandler;
import nextflow.processor.TaskMonitor;
import nextflow.processor.TaskRun;
import nextflow.script.ScriptType;
import nextflow.util.Duration;
import nextflow.util.ServiceName;
import org.codehaus.groovy.runtime.InvokerHelper;
import org.pf4j.ExtensionPoint;
import org.slf4j.LoggerFactory;

/** The executor {@code hq}. It takes the place of the built-in one of that name, so that pipelines need no change. */
@ServiceName("hq")
@SupportedScriptTypes({ScriptType.SCRIPTLET})
public final class HqExecutor extends Executor implements ExtensionPoint, TaskArrayExecutor {
    /** Nothing is polled: this is how soon the end of the session is noticed, and how late a lost signal. */
    private static final String ROUND = "100ms";
    /** Queue size without a limit: the server has its own order, and waiting tasks cost it a few bytes. */
    private static final int NO_LIMIT = 0;

    /** Nextflow shows what is said below its own name only. */
    static final String LOG_NAME = "nextflow.executor.HqExecutor";

    private HqMonitor monitor;
    private Settings settings;
    private Run run;
    private TaskRequest requests;

    /** @return the scope hq of nextflow.config */
    Settings settings() {
        return settings;
    }

    /** @return this run on the server */
    Run run() {
        return run;
    }

    /** @return how tasks are described to the server */
    TaskRequest requests() {
        return requests;
    }

    /** @return whether the user asked for metrics of tasks */
    boolean isTraced() {
        return getSession().getStatsEnabled();
    }

    @Override
    protected TaskMonitor createTaskMonitor() {
        Map<String, Object> options = new HashMap<>();
        Object config = laterConfig();
        Object source = config == null ? getSession() : config;
        options.put("session", getSession());
        options.put("name", getName());
        options.put("config", config);
        options.put("capacity", InvokerHelper.invokeMethod(source, "getQueueSize", new Object[] {getName(), NO_LIMIT}));
        options.put("pollInterval", Duration.of(ROUND));
        options.put("dumpInterval", InvokerHelper.invokeMethod(source, "getMonitorDumpInterval", new Object[] {getName()}));
        monitor = new HqMonitor(this, options);
        return monitor;
    }

    @Override
    protected void register() {
        settings = Settings.of(getSession().getConfig(), System.getenv());
        Warnings warnings = new Warnings(LoggerFactory.getLogger(LOG_NAME));
        run = new Run(settings, getSession(), warnings, monitor);
        requests = new TaskRequest(settings, warnings);
        run.openInBackground();
    }

    @Override
    public TaskHandler createTaskHandler(TaskRun task) {
        return new HqTaskHandler(task, this);
    }

    @Override
    public void shutdown() {
        if (run != null) run.close();
    }

    @Override
    public String getArrayIndexName() {
        return "HQ_TASK_ID";
    }

    @Override
    public int getArrayIndexStart() {
        return 0;
    }

    @Override
    public String getArrayTaskId(String jobId, int index) {
        return jobId + "@" + index;
    }

    @Override
    public boolean isWorkDirDefaultFS() {
        return getWorkDir().getFileSystem() == FileSystems.getDefault();
    }

    @Override
    public String getArrayWorkDir(TaskHandler handler) {
        Path folder = handler.getTask().getWorkDir();
        return folder.toString();
    }

    /** Never run: the monitor takes arrays apart. Nextflow asks all the same. */
    @Override
    public String getArrayLaunchCommand(String taskDir) {
        return "bash " + taskDir + "/" + TaskRun.CMD_RUN;
    }

    /** @return the executor's configuration, which the session has handed over to it since Nextflow 25.10; null before */
    private Object laterConfig() {
        return InvokerHelper.getMetaClass(this).hasProperty(this, "config") == null ? null : InvokerHelper.getProperty(this, "config");
    }
}
