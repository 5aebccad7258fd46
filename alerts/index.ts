export { type Counted, countingAlert } from './aggregate.ts';
export * from './alert.ts';
export { checkProof, ProofError, type Shown } from './audit/check-proof.ts';
export { crc32c } from './audit/crc32c.ts';
export { AUDIT_KINDS, type AuditEntry, type AuditKind } from './audit/line.ts';
export {
  type AuditLog,
  type AuditLogOptions,
  openAuditLog,
  type StoredLog,
} from './audit/log.ts';
export { readPublicKey } from './audit/log-key.ts';
export { type Proof, proveEntry, proveGrowth } from './audit/prove.ts';
export { readAuditLog } from './audit/read.ts';
export { type Rotated, rotateLogKey } from './audit/rotate-key.ts';
export { currentKey, keysOf } from './audit/rotations.ts';
export { openSeal } from './audit/seal.ts';
export { type CheckpointListener, openSealer, type Sealer } from './audit/sealer.ts';
export { type AuditVerification, verifyAuditLog } from './audit/verify.ts';
export { formatAlert, inPriority, verdictText, wantsColour } from './console.ts';
export * from './enforcement.ts';
export * from './escape.ts';
export { parseOutput, parseOutputs } from './formats/output.ts';
export { alertJsonSchema, auditJsonSchema } from './json-schema.ts';
export { type Histogram, LATENCY_BOUNDS } from './latency.ts';
export { keyFileOf, type Wanted, type Written, writeConfigFolder } from './nats/config-folder.ts';
export type { NatsAddress } from './nats/identity.ts';
export { makeAlertStream } from './nats/make-stream.ts';
export { createPublisher, type Publisher, type PublisherOptions, type PublisherState } from './nats/publisher.ts';
export * from './nats/server.ts';
export { alertSubject } from './nats/subject.ts';
export { raiseAlert, type Unnumbered } from './raise.ts';
export { parseCost } from './report/cost.ts';
export { makeReport, type Report, type ReportOptions } from './report/report.ts';
export { outputProblem, writeWhole } from './report/write.ts';
export { type AuditQuery, type AuditQueryOptions, openAuditQuery } from './review/audit-query.ts';
export type { Cell } from './review/cell.ts';
export { type EntryFilters, entryFilter, happenedAt } from './review/entry-filter.ts';
export {
  type LoggedTree,
  mayBeBelow,
  processesOf,
  type TreeStep,
  treeOf,
} from './review/process-tree.ts';
export { QueryError, type QueryErrorCode } from './review/query-error.ts';
export { AUDIT_TABLES } from './review/tables.ts';
export { type Walked, type WalkOptions, walkAuditLog } from './review/walk.ts';
export { parseAlert } from './schema.ts';
export type { AlertFilters } from './subscriber/filters.ts';
export type { Position } from './subscriber/position.ts';
export { type AlertSubscription, type SubscribeOptions, subscribeAlerts } from './subscriber/subscribe.ts';
export * from './template.ts';
export * from './time.ts';
export { type FoundCheckpoint, openCheckpoint, parseCheckpoint } from './transparency/checkpoint.ts';
export { cosignedAt } from './transparency/cosignature.ts';
export { createSigner, parseVerifier as parseLogKey, type Verifier } from './transparency/key.ts';
export { type Alarm, evidenceIn } from './witness/alarm.ts';
export { type Announcer, type AnnouncerOptions, type AnnouncerState, createAnnouncer } from './witness/announcer.ts';
export { checkEvidence } from './witness/evidence.ts';
export type { WitnessNews } from './witness/judge.ts';
export { parseWitnessKey } from './witness/key.ts';
export { readWitnessState, type WitnessedLog } from './witness/state.ts';
export {
  openWitness,
  SILENT_AFTER,
  WITNESS_INTERVAL_MS,
  type Witness,
  type WitnessOptions,
} from './witness/witness.ts';
