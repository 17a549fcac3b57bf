/** What the built init.cjs is: it runs main.ts as scripts/build.ts has compiled it. */
import { loadProgram } from './compiled.ts'

type Program = (require: typeof process.getBuiltinModule, dirname: string) => void

const program = loadProgram(`${import.meta.dirname}/init.program`).runInThisContext() as Program
program(process.getBuiltinModule, import.meta.dirname)
