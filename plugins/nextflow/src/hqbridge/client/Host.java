package hqbridge.client;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** What this host gives to a local worker, and what tells one process from a later one with the same number. */
public final class Host {
    /** Variable that is set inside a batch job -> those that tell how many CPUs of this node it was granted. */
    private static final Map<String, List<String>> GRANTED_CPUS =
            Map.of("SLURM_JOB_ID", List.of("SLURM_CPUS_ON_NODE"), "PBS_JOBID", List.of("NCPUS", "PBS_NUM_PPN"));

    private Host() {}

    /** @return CPUs that this process may use, by affinity, control group and batch job; at least 1 */
    static int usableCpus(Map<String, String> env) {
        // The JDK heeds the affinity mask and the quota of the control group.
        int cpus = Runtime.getRuntime().availableProcessors();
        for (Map.Entry<String, List<String>> system : GRANTED_CPUS.entrySet()) {
            if (!env.containsKey(system.getKey())) continue;
            for (String name : system.getValue()) {
                String value = env.getOrDefault(name, "");
                if (value.matches("[1-9]\\d{0,5}")) cpus = Math.min(cpus, Integer.parseInt(value));
            }
        }
        return Math.max(1, cpus);
    }

    /** @return this process, so that it can be told later whether it still lives: host, process id, its start */
    public static String thisProcess() {
        long pid = ProcessHandle.current().pid();
        return Transport.hostname() + ":" + pid + ":" + startedAt(pid);
    }

    /** @return whether such a process has ended; of those on other hosts nothing is known, so they have not */
    public static boolean isGone(String process) {
        String[] parts = process.split(":");
        if (parts.length < 2 || !parts[0].equals(Transport.hostname()) || !parts[1].matches("\\d{1,18}")) return false;
        return !startedAt(Long.parseLong(parts[1])).equals(parts.length > 2 ? parts[2] : "");
    }

    /** @return start of a process in clock ticks since the boot of the host; empty where there is none */
    private static String startedAt(long pid) {
        try {
            String stat = Files.readString(Path.of("/proc", String.valueOf(pid), "stat"));
            return stat.substring(stat.lastIndexOf(')') + 2).split(" ")[19];
        } catch (IOException | RuntimeException error) {
            return "";
        }
    }
}
