export { type Counted, countingAlert } from './aggregate.ts';
export * from './alert.ts';
export {
  type Appended,
  type AuditLog,
  type AuditLogOptions,
  type AuditLogState,
  openAuditLog,
  type StoredLog,
} from './audit/log.ts';
export { readAuditLog } from './audit/read.ts';
export { DEFAULT_LIMITS as DEFAULT_RETENTION } from './audit/retention.ts';
export { formatAlert, inPriority, verdictText, wantsColour } from './console.ts';
export * from './enforcement.ts';
export * from './escape.ts';
export { NATIVE_OUTPUT, type Output, parseOutput, parseOutputs } from './formats/output.ts';
export { alertJsonSchema, auditJsonSchema } from './json-schema.ts';
export { type Histogram, LATENCY_BOUNDS } from './latency.ts';
export type { NatsAddress } from './nats/identity.ts';
export { createPublisher, type Publisher, type PublisherOptions, type PublisherState } from './nats/publisher.ts';
export * from './nats/server.ts';
export { alertSubject } from './nats/subject.ts';
export { raiseAlert, type Unnumbered } from './raise.ts';
export { parseAlert } from './schema.ts';
export type { Gap } from './subscriber/arrivals.ts';
export type { AlertFilters } from './subscriber/filters.ts';
export type { Position } from './subscriber/position.ts';
export { type AlertSubscription, type SubscribeOptions, subscribeAlerts } from './subscriber/subscribe.ts';
export * from './template.ts';
export * from './time.ts';
