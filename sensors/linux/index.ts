export { btfIdOf, kernelBtf, type LoadedBtf, loadBtf } from './btf.ts';
export { bpfUnavailable } from './call.ts';
export { BpfError } from './error.ts';
export * from './map.ts';
export * from './program.ts';
export { type LinuxRingBuffer, openRingBuffer } from './ring-buffer.ts';
export * from './test-run.ts';
export { type LinuxObject, loadElfLinux } from './object.ts';
