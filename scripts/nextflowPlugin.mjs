/** `npm run plugin:nextflow`: plugins/nextflow to a folder that Nextflow loads, and to a zip of it. */
import { buildNextflowPlugin, nextflowPlugin } from './lib/nextflowPlugin.mjs';
import { main, say } from './lib/text.mjs';

await main(async () => {
  await buildNextflowPlugin();
  const { id, version, folder } = nextflowPlugin();
  say(
    `${folder}\ncopy it into $NXF_PLUGINS_DIR or $NXF_HOME/plugins (~/.nextflow/plugins), and enable it with: plugins { id '${id}@${version}' }`,
  );
  return 0;
});
