/** The words of a line, as a shell would see them, as far as `#HQ` lines and `--on-notify` need it: no expansion of any kind. Pure. */

/**
 * Words are separated by blanks. Double and single quotes hold words together; a backslash takes the next character as it is, between double
 * quotes only before `"` and `\`. The original knows double quotes and the backslash.
 * @returns the words, or a sentence that says what is wrong
 */
export function shellWords(line: string): string[] | string {
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let at = 0; at < line.length; at += 1) {
    const char = line[at] as string;
    const next = line[at + 1];
    if (quote === '' && /\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
      continue;
    }
    word ??= '';
    if (char === '\\' && quote !== "'" && (quote === '' || next === '"' || next === '\\')) {
      if (next === undefined) return 'it ends with a backslash';
      word += next;
      at += 1;
    } else if (quote === '' && (char === '"' || char === "'")) quote = char;
    else if (char === quote) quote = '';
    else word += char;
  }
  if (quote !== '') return `a quotation mark (${quote}) is not closed`;
  return word === undefined ? words : [...words, word];
}
