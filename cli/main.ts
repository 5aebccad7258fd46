#!/usr/bin/env node
import { runMain } from './main-program.ts';

await runMain((program) => program.parseAsync(process.argv), process.argv[2]);
