/** A configuration file. Options stand under the words of their command, by their name without hyphens before it. */
import * as z from 'zod';

const scalar = z.union([z.string(), z.number(), z.boolean()]);
/** By the name of an option. A list is a repeatable option; `false` is an option that is not given. */
const options = z.record(z.string().regex(/^[a-z][a-z-]*$/), z.union([scalar, z.array(scalar)]));

const settings = {
  'server-dir': z.string().min(1).optional().meta({ description: 'instead of ~/.hq-server; HQ_SERVER_DIR counts more' }),
  'output-mode': z.enum(['cli', 'json', 'quiet']).optional(),
  colors: z.enum(['auto', 'always', 'never']).optional(),
  compat: z.literal('hyperqueue').optional().meta({ description: 'as HQ_COMPAT=hyperqueue' }),
  defaults: z.record(z.string(), options).optional().meta({ description: 'by command: submit, worker start, alloc add, …' }),
};

/** What a profile sets wins over what stands beside the profiles. */
export const configFile = z.strictObject({
  ...settings,
  profile: z.string().optional().meta({ description: 'the profile that is used without --profile and HQ_PROFILE' }),
  profiles: z.record(z.string().regex(/^[\w.-]+$/), z.strictObject(settings)).optional(),
});
export type ConfigText = z.infer<typeof configFile>;
export type Settings = Omit<ConfigText, 'profile' | 'profiles'>;
