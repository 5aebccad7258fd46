export { createSimHost } from './host.ts';
export type * from './sim-host.ts';
