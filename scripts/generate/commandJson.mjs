/** docs/schema/cli/*.json: JSON Schema of what each command prints with `--output-mode json`, and docs/json.md, the list of them. */
import * as z from 'zod';
import { jsonText } from './jsonText.mjs';

const FOLDER = 'docs/schema/cli';

export async function generateCommandJson(load) {
  const { FAILED, JSON_VERSION, shapeOf } = await load('cli/schema/commands.js');
  const { commandNames } = await load('cli/generate/commandNames.js');
  const { dropSafeIntegerBounds } = await load('server/api/models.js');
  const toJson = (schema) => {
    const override = ({ jsonSchema }) => {
      dropSafeIntegerBounds(jsonSchema);
      // zod's pattern of a date is longer than the rest of most schemas, and says the same.
      if (jsonSchema.format === 'date-time') delete jsonSchema.pattern;
    };
    const { $schema: _dialect, ...json } = z.toJSONSchema(schema, { override });
    return json;
  };
  const document = (title, { now, original }) => ({
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $comment: 'Generated from src/cli/schema. Do not edit.',
    title,
    'x-version': JSON_VERSION,
    ...toJson(now),
    'x-hyperqueue': toJson(original),
  });
  const commands = commandNames().map((name) => ({ name, shape: shapeOf(name) }));
  const isDone = ({ shape }) => shape === shapeOf('job close');
  const pathOf = (name) => `${name.replaceAll(' ', '-')}.json`;
  const files = commands
    .filter((command) => command.shape !== null && !isDone(command))
    .map(({ name, shape }) => ({ path: `${FOLDER}/${pathOf(name)}`, text: jsonText(document(`hq ${name}`, shape)) }));
  files.push({ path: `${FOLDER}/error.json`, text: jsonText(document('a command that has failed', FAILED)) });
  const list = (chosen) => chosen.map(({ name }) => `\`hq ${name}\``).join(', ');
  const rows = commands
    .filter((command) => command.shape !== null && !isDone(command))
    .map(({ name }) => `| \`hq ${name}\` | [${pathOf(name)}](schema/cli/${pathOf(name)}) |`);
  const text = `# JSON of the command line

<!-- Generated from src/cli/schema by \`npm run generate\`. Do not edit. -->

With \`--output-mode json\` (or \`HQ_OUTPUT_MODE=json\`) a command prints exactly one JSON value, whose keys are in alphabetical order. Durations are seconds and
floats, which have a decimal point also when they are whole (\`8.0\`); times are RFC 3339 in UTC; amounts of resources are integers in units of 1/10,000.
A key whose value is not known is \`null\`; it is left out only where its schema says that it is not required.

Each command has a JSON Schema (2020-12). This is version ${JSON_VERSION} of all of them: within a version keys are added, but none is removed and none changes its meaning, so
readers should ignore keys that they do not know. With \`HQ_COMPAT=hyperqueue\` a command prints exactly the keys of HyperQueue 0.26; that form is the member
\`x-hyperqueue\` of the schema. Every answer that a test of this project looks at is checked against them.

A command that fails prints [error.json](schema/cli/error.json) and ends with an exit code other than 0.

| command | schema |
|---|---|
${rows.join('\n')}

These carry something out or wait, and print \`{}\`: ${list(commands.filter(isDone))}.

These print text in every mode: ${list(commands.filter(({ shape }) => shape === null))}; \`hq output-log\` does except for \`summary\` and \`export\`.
`;
  return [...files, { path: 'docs/json.md', text }];
}
