export * from './alert.ts';
export * from './escape.ts';
export * from './nats/server.ts';
export * from './template.ts';
export * from './time.ts';
