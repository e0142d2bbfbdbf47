#!/usr/bin/env node
/**
 * `hq.js`: loads the program for what was typed (bin/hq.ts, built as command.js and service.js) together with what the engine had compiled of it when it
 * was built (codeCache.ts), so that a command neither parses nor compiles what it runs. Without that, or with another version of Node, it is compiled as usual.
 */
import { loadScript, programOf, programPath } from './codeCache.ts';

loadScript(programPath(__dirname, programOf(process.argv.slice(2))));
