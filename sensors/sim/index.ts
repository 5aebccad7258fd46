export type * from './sim-host.ts';
