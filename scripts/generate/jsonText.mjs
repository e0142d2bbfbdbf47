/** JSON as it is kept in the repository. Used by the generators. */
export const jsonText = (value) => `${JSON.stringify(value, null, 2)}\n`;
