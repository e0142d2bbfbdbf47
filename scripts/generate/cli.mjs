/** docs/cli.md: the reference of all commands. */
export async function generateCli(load) {
  const { cliReference } = await load('cli/generate/reference.js');
  return [{ path: 'docs/cli.md', text: cliReference() }];
}
