export * from './alert.ts';
export * from './nats/server.ts';
