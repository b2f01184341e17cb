import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type MarkdownIt from 'markdown-it'

/**
 * Fills a block such as ```java excerpt=BankBasic.java with parts of that script. Each line of the
 * block names one part: how the first line of a method, a class or a constant begins, or the marker
 * of a section. The build fails unless the script has exactly one such line.
 */
export function excerpts(markdown: MarkdownIt, project: string) {
  markdown.core.ruler.push('excerpts', ({ tokens }) => {
    for (const token of tokens.filter(({ type }) => type === 'fence')) {
      const [, script] = token.info.match(/excerpt=(\S+)/) ?? []
      if (script) {
        const lines = readFileSync(resolve(project, script), 'utf8').split('\n')
        const parts = token.content.trim().split('\n')
        token.content = parts.map((part) => excerpt(script, lines, part)).join('\n')
        token.info = 'java'
      }
    }
  })
}

function excerpt(script: string, lines: string[], beginning: string): string {
  const starts = lines.filter((line) => line.trimStart().startsWith(beginning))
  if (starts.length !== 1) {
    throw new Error(`${script} has ${starts.length} lines that begin with: ${beginning}`)
  }
  const start = lines.indexOf(starts[0])
  const indent = starts[0].length - starts[0].trimStart().length
  const isSection = beginning.startsWith('// ----')
  const first = isSection ? start + 1 : startOfComment(lines, start)
  const end = isSection ? endOfSection(lines, start) : endOfMember(lines, start, indent)
  const text = lines.slice(first, end).map((line) => line.slice(indent))
  return text.join('\n').trim() + '\n'
}

/** The first line of the Javadoc and annotations above a member. */
function startOfComment(lines: string[], start: number): number {
  let first = start
  while (/^\s*(\/\*\*|\*|@)/.test(lines[first - 1])) {
    first--
  }
  return first
}

function endOfMember(lines: string[], start: number, indent: number): number {
  const closing = ' '.repeat(indent) + '}'
  const isConstant = lines[start].endsWith('=') || lines[start].endsWith(';')
  const isLast = (line: string) => (isConstant ? line.endsWith(';') : line.startsWith(closing))
  return lines.findIndex((line, index) => index >= start && isLast(line)) + 1
}

function endOfSection(lines: string[], start: number): number {
  return lines.findIndex(
    (line, index) => index > start && (/^\s*\/\/ ----/.test(line) || line === '}'),
  )
}
