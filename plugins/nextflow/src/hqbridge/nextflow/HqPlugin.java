package hqbridge.nextflow;

import nextflow.plugin.BasePlugin;
import org.pf4j.PluginWrapper;

/** What Nextflow loads; the executor is found by META-INF/extensions.idx. */
public class HqPlugin extends BasePlugin {
    /** @param wrapper given by the plugin system */
    public HqPlugin(PluginWrapper wrapper) {
        super(wrapper);
    }
}
