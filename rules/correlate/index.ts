export {
  type Correlated,
  type CorrelationState,
  type Correlator,
  createCorrelator,
  type KinRecord,
} from './correlator.ts';
export { type Correlation, type SequenceStep, type Threshold, TREE_KEY } from './spec.ts';
