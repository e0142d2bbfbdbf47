/** Imports a compiled module and prints JSON as it is kept in the repository. Used by the generators. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

export const compiled = (dist, module) => import(pathToFileURL(resolve(dist, module)).href);

export const jsonText = (value) => `${JSON.stringify(value, null, 2)}\n`;
