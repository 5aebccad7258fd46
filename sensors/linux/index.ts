export { btfIdOf, kernelBtf, loadBtf } from './btf.ts';
export { bpfUnavailable } from './call.ts';
export { BpfError } from './error.ts';
export { kernelConfig } from './kconfig.ts';
export * from './map.ts';
export { type LinuxObject, loadElfLinux } from './object.ts';
export * from './program.ts';
export { openRingBuffer } from './ring-buffer.ts';
export * from './test-run.ts';
