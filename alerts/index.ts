export * from './alert.ts';
export { type AuditEntry, type AuditKind, type AuditRecord, decodeLine, encodeLine } from './audit/line.ts';
export { type AuditLog, type AuditLogOptions, openAuditLog } from './audit/log.ts';
export { type ReadEntry, type ReadOptions, readAuditLog } from './audit/read.ts';
export * from './escape.ts';
export * from './nats/server.ts';
export * from './template.ts';
export * from './time.ts';
