import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type MarkdownIt from 'markdown-it'
import { tabsMarkdownPlugin } from 'vitepress-plugin-tabs'
import { defineConfig, type HeadConfig } from 'vitepress'
import { excerpts } from './excerpts'

const project = resolve(import.meta.dirname, '../..')

/** What the pages offer for download, with what it names as its sources. */
const downloads = [
  'BankBasic.java',
  'BankInsecure.java',
  'BankSecure.java',
  'examples',
  'lessons',
  'tools',
]

/**
 * Where the project is on GitHub, such as jane/bank. The workflow that publishes the site sets it.
 * Without it the links to the repository are left out, and OWNER/REPOSITORY stays in the commands.
 */
const repository = process.env.REPOSITORY
const placeholder = 'OWNER/REPOSITORY'

const [owner, name] = repository?.split('/') ?? []
const host = `${owner?.toLowerCase()}.github.io`
const base = process.env.BASE ?? (repository && name !== host ? `/${name}/` : '/')
const site = repository && `https://${host}${base}`

const title = 'Bank samples for CockroachDB'

export default defineConfig({
  title,
  description: 'Transactions, retries and transfers on CockroachDB from Java, one file at a time.',
  lang: 'en',
  srcExclude: ['doctor-table.md'],
  base,
  head: [
    ['link', { rel: 'icon', type: 'image/svg+xml', href: `${base}favicon.svg` }],
    ['meta', { name: 'theme-color', content: '#1d5fd1' }],
  ],
  sitemap: site ? { hostname: site } : undefined,
  transformHead: ({ pageData, title, description }) => openGraph(pageData, title, description),
  themeConfig: {
    siteTitle: 'Bank samples',
    repository,
    nav: [
      { text: 'Tutorial', link: '/tutorial' },
      { text: 'Why retries', link: '/retries' },
      { text: 'Load test', link: '/load' },
      { text: 'Troubleshooting', link: '/connecting' },
    ],
    sidebar: [
      {
        text: 'Learn',
        items: [
          { text: 'Build a Java app', link: '/tutorial' },
          { text: 'Why transactions are retried', link: '/retries' },
          { text: 'Best practices', link: '/practices' },
        ],
      },
      {
        text: 'Use it in your program',
        items: [
          { text: 'Maven project', link: '/maven' },
          { text: 'Connection pool', link: '/pool' },
          { text: 'Web service', link: '/web-service' },
          { text: 'Spring Boot', link: '/spring-boot' },
        ],
      },
      {
        text: 'Run it',
        items: [
          { text: 'Load test', link: '/load' },
          { text: 'Losing a node', link: '/losing-a-node' },
          { text: 'Troubleshooting', link: '/connecting' },
          { text: 'A cluster by hand', link: '/cluster' },
          { text: 'Docker Compose', link: '/compose' },
          { text: 'Windows', link: '/windows' },
        ],
      },
    ],
    outline: [2, 3],
    socialLinks: repository ? [{ icon: 'github', link: `https://github.com/${repository}` }] : [],
    editLink: repository && {
      pattern: `https://github.com/${repository}/edit/main/docs/:path`,
      text: 'Edit this page',
    },
    search: {
      provider: 'local',
      // A page must have all the words, or RETRY_WRITE_TOO_OLD would find every page.
      options: { miniSearch: { searchOptions: { combineWith: 'AND', fuzzy: false } } },
    },
    docFooter: { prev: 'Previous', next: 'Next' },
  },
  markdown: {
    // These have enough contrast for WCAG AA.
    theme: { light: 'github-light-high-contrast', dark: 'github-dark-high-contrast' },
    config(markdown) {
      markdown.use(fillInRepository)
      markdown.use(tabsMarkdownPlugin)
      markdown.use(excerpts, project)
      markdown.use(nameColumns)
    },
  },
  buildEnd({ outDir }) {
    for (const download of downloads) {
      cpSync(resolve(project, download), resolve(outDir, download), { recursive: true })
    }
    writeFileSync(resolve(outDir, 'report.html'), report())
  },
})

/** What a page looks like when somebody shares its address. */
function openGraph(
  page: { relativePath: string },
  title: string,
  description: string,
): HeadConfig[] {
  const properties: Record<string, string> = {
    'og:type': 'website',
    'og:title': title,
    'og:description': description,
  }
  if (site) {
    const path = page.relativePath.replace(/(^|\/)index\.md$/, '$1').replace(/\.md$/, '.html')
    properties['og:url'] = site + path
    properties['og:image'] = `${site}preview.png`
  }
  return Object.entries(properties).map(([property, content]) => ['meta', { property, content }])
}

/** Writes the repository's address into the commands, and leaves out what explains the placeholder. */
function fillInRepository(markdown: MarkdownIt) {
  if (repository) {
    markdown.core.ruler.before('normalize', 'repository', (state) => {
      state.src = state.src
        .replace(/<!-- placeholder -->.*?<!-- \/placeholder -->\n?/gs, '')
        .replaceAll(placeholder, repository)
    })
  }
}

/** Tells each cell the name of its column, which a phone shows in front of it. */
function nameColumns(markdown: MarkdownIt) {
  markdown.core.ruler.push('columns', ({ tokens }) => {
    let names: string[] = []
    let column = 0
    tokens.forEach((token, index) => {
      if (token.type === 'table_open') {
        names = []
      } else if (token.type === 'tr_open') {
        column = 0
      } else if (token.type === 'th_open') {
        names.push(tokens[index + 1].content)
      } else if (token.type === 'td_open') {
        token.attrSet('data-column', names[column++])
      }
    })
  })
}

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
