#!/usr/bin/env node
/**
 * `hq.js`: loads the program (bin/hq.ts, built as main.js) together with what the engine had compiled of it when it was built (codeCache.ts), so that a
 * command neither parses nor compiles what it runs. Without that, or with another version of Node, it is compiled as usual.
 */
import { loadProgram } from './codeCache.ts';

loadProgram(__dirname);
