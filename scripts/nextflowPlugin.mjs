/** `npm run plugin:nextflow`: plugins/nextflow to a zip that Nextflow loads, also without a network. */
import { buildNextflowPlugin, nextflowPlugin } from './lib/nextflowPlugin.mjs';
import { main, say } from './lib/text.mjs';

await main(async () => {
  await buildNextflowPlugin();
  const { id, version, zip } = nextflowPlugin();
  say(`${zip}\nput it into $NXF_HOME/plugins (or $NXF_PLUGINS_DIR) and enable it with: plugins { id '${id}@${version}' }`);
  return 0;
});
