export { CGROUPS, type CgroupName, containerFacts, containerFields } from './containers.ts';
export { AT_FDCWD, type Context, DOMAINS, domainOf, type From, fromCwd, type Happened, USERS } from './context.ts';
export { flagsText, type OnDescriptor, type Opening, onDescriptor, open } from './files.ts';
export { ancestorsOf, type End, type Known } from './known.ts';
export { type OnPath, type OnTwoPaths, onPath, onTwoPaths } from './names.ts';
export * from './others.ts';
export * from './processes.ts';
export { bind, close, connectUnix, emitListen, FAMILIES, reach, socket } from './sockets.ts';
export { createWorld, LONG, LONGEST, TOO_LONG, type World } from './world.ts';
