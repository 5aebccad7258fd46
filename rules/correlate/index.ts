export {
  type Correlated,
  type CorrelationState,
  type Correlator,
  createCorrelator,
  type KinRecord,
} from './correlator.ts';
export type { Kin } from './lineage.ts';
export { type Correlation, type Occurrence, type SequenceStep, type Threshold, TREE_KEY } from './spec.ts';
