import { existsSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { gunzipSync } from 'node:zlib';

/** LINUX_KERNEL_VERSION of a release: `6.18.44-custom` is 6 << 16 | 18 << 8 | 44; a patch level above 255 counts as 255. */
export function kernelVersion(name: string): number {
  const [, major = '0', minor = '0', patch = '0'] = /^(\d+)\.(\d+)(?:\.(\d+))?/.exec(name) ?? [];
  return (Number(major) << 16) | (Number(minor) << 8) | Math.min(255, Number(patch));
}

/** The lines `CONFIG_HZ=250` of a kernel's configuration by name, quotes taken off; what isn't set has no entry. */
export function parseKernelConfig(text: string): Readonly<Record<string, string>> {
  const values: Record<string, string> = {};
  for (const [, name = '', value = ''] of text.matchAll(/^(CONFIG_\w+)=(.*)$/gm))
    values[name] = /^".*"$/.test(value) ? value.slice(1, -1).replace(/\\(.)/g, '$1') : value;
  return values;
}

function configText(): string {
  if (existsSync('/proc/config.gz')) return gunzipSync(readFileSync('/proc/config.gz')).toString();
  const file = `/boot/config-${release()}`;
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}

/** What objects may know of the running kernel: its version, and its configuration where /proc/config.gz or /boot has it. */
export const kernelConfig = (): Readonly<Record<string, string | number>> => ({
  ...parseKernelConfig(configText()),
  LINUX_KERNEL_VERSION: kernelVersion(release()),
});
