import { expect, it } from 'vitest';
import { kernelVersion, parseKernelConfig } from '../../../sensors/linux/kconfig.ts';

it.each([
  ['6.18.44-fc-v669', 0x06_12_2c],
  ['6.1.0-31-cloud-amd64', 0x06_01_00],
  ['5.4.300', 0x05_04_ff],
  ['6.12', 0x06_0c_00],
  ['4.18.0-553.el8', 0x04_12_00],
])('LINUX_KERNEL_VERSION of %s', (release, version) => {
  expect(kernelVersion(release)).toBe(version);
});

it('reads a configuration: numbers, switches and texts, nothing for what is not set', () => {
  const text = [
    '#',
    '# Linux/x86 6.12.9 Kernel Configuration',
    'CONFIG_HZ=250',
    'CONFIG_BPF_SYSCALL=y',
    'CONFIG_NF_TABLES=m',
    '# CONFIG_KPROBES is not set',
    'CONFIG_DEFAULT_HOSTNAME="a \\"b\\" = c"',
    'CONFIG_EMPTY=""',
    'CONFIG_PHYSICAL_START=0x1000000',
  ].join('\n');
  expect(parseKernelConfig(text)).toEqual({
    CONFIG_HZ: '250',
    CONFIG_BPF_SYSCALL: 'y',
    CONFIG_NF_TABLES: 'm',
    CONFIG_DEFAULT_HOSTNAME: 'a "b" = c',
    CONFIG_EMPTY: '',
    CONFIG_PHYSICAL_START: '0x1000000',
  });
});
