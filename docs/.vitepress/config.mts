import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type MarkdownIt from 'markdown-it'
import { tabsMarkdownPlugin } from 'vitepress-plugin-tabs'
import { defineConfig } from 'vitepress'

const project = resolve(import.meta.dirname, '../..')

/** What the pages offer for download, with what it names as its sources. */
const scripts = ['BankBasic.java', 'BankInsecure.java', 'BankSecure.java', 'lessons', 'tools']

export default defineConfig({
  title: 'Bank scripts',
  description: 'Build a Java app with CockroachDB and JDBI, one file at a time',
  lang: 'en',
  srcExclude: ['doctor-table.md'],
  base: process.env.BASE ?? '/',
  head: [['link', { rel: 'icon', href: 'data:,' }]],
  themeConfig: {
    sidebar: [
      { text: 'Build a Java app', link: '/' },
      { text: 'Why it retries', link: '/retries' },
      { text: 'Under load', link: '/load' },
      { text: 'When it does not connect', link: '/connecting' },
    ],
    outline: [2, 3],
    search: {
      provider: 'local',
      // All words of what is looked for, or RETRY_WRITE_TOO_OLD would find each page.
      options: { miniSearch: { searchOptions: { combineWith: 'AND', fuzzy: false } } },
    },
    docFooter: { prev: 'Before', next: 'Next' },
  },
  markdown: {
    config(markdown) {
      markdown.use(tabsMarkdownPlugin)
      markdown.use(excerpts)
    },
  },
  buildEnd({ outDir }) {
    for (const script of scripts) {
      cpSync(resolve(project, script), resolve(outDir, script), { recursive: true })
    }
    writeFileSync(resolve(outDir, 'report.html'), report())
  },
})

/** The page that BankLoad wrote for docs/report.json, made of its template as BankLoad does. */
function report(): string {
  const uplot = resolve(project, 'docs/node_modules/uplot/dist')
  const parts = {
    '/* uPlot.css */': resolve(uplot, 'uPlot.min.css'),
    '/* uPlot.js */': resolve(uplot, 'uPlot.iife.min.js'),
    '/* result */': resolve(project, 'docs/report.json'),
  }
  return Object.entries(parts).reduce(
    (page, [mark, file]) => page.replace(mark, () => readFileSync(file, 'utf8')),
    readFileSync(resolve(project, 'tools/load/LoadReport.html'), 'utf8'),
  )
}

/**
 * Fills a block such as ```java excerpt=BankBasic.java, which holds how a method's first line
 * begins, with that method's text in the script. The build fails where it is not there just once.
 */
function excerpts(markdown: MarkdownIt) {
  markdown.core.ruler.push('excerpts', ({ tokens }) => {
    for (const token of tokens.filter(({ type }) => type === 'fence')) {
      const [, script] = token.info.match(/excerpt=(\S+)/) ?? []
      if (script) {
        token.content = excerpt(script, token.content.trim())
        token.info = 'java'
      }
    }
  })
}

function excerpt(script: string, beginning: string): string {
  const lines = readFileSync(resolve(project, script), 'utf8').split('\n')
  const starts = lines.filter((line) => line.trimStart().startsWith(beginning))
  if (starts.length !== 1) {
    throw new Error(`${script} has ${starts.length} lines that begin with: ${beginning}`)
  }
  const start = lines.indexOf(starts[0])
  const indent = starts[0].length - starts[0].trimStart().length
  const closing = ' '.repeat(indent) + '}'
  const end = lines.findIndex((line, index) => index > start && line.startsWith(closing))
  const text = lines.slice(start, end + 1).map((line) => line.slice(indent))
  return text.join('\n') + '\n'
}
