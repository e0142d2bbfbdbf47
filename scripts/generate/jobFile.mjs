/** docs/schema/job-file.json: the JSON Schema of job files, with which editors complete and check them. */
import { jsonText } from './jsonText.mjs';

export async function generateJobFile(load) {
  const { jobFileDocument } = await load('cli/generate/jobFileSchema.js');
  return [{ path: 'docs/schema/job-file.json', text: jsonText(jobFileDocument()) }];
}
