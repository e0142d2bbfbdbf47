/** docs/errors.md: the table of errors for people. */
const cell = (text) => text.replaceAll('|', '\\|').replace(/\{(\w+)\}/g, '‹$1›') || '–';

export async function generateErrors(load) {
  const { ERRORS } = await load('protocol/errors.js');
  const rows = Object.entries(ERRORS).map(
    ([code, { exit, http, message, hint }]) => `| \`${code}\` | ${exit} | ${http} | ${cell(message)} | ${cell(hint)} |`,
  );
  const text = `# Errors

<!-- Generated from src/protocol/errors.ts by \`npm run generate\`. Do not edit. -->

Every failure has one code. The command line prints the message and the hint and ends with the exit code (2: the command was typed
wrongly, 1: everything else); the HTTP API answers with the status and \`{"error": {"code", "message", "hint", "data"}}\`. ‹Words in
angles› are replaced by values; the API also sends them alone, in \`data\`. Codes are never reused.

| Code | Exit | HTTP | Message | What to do next |
| --- | --- | --- | --- | --- |
${rows.join('\n')}
`;
  return [{ path: 'docs/errors.md', text }];
}
