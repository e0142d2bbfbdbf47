/** Set-up of the `aiida` project: AiiDA is there before its tests begin. vitest calls `setup`. */
import { installAiida } from '../../fixtures/aiida/install.mjs';

/** @throws Trouble when the download fails */
export async function setup(): Promise<void> {
  await installAiida();
}
