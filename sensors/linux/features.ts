export { probeFeatures as linuxFeatures } from './probe/index.ts';
