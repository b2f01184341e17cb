import { enhanceAppWithTabs } from 'vitepress-plugin-tabs/client'
import type { Theme } from 'vitepress'
import DefaultTheme from 'vitepress/theme'
import ClusterUrl from './components/ClusterUrl.vue'
import Landing from './components/Landing.vue'
import LosingANode from './components/LosingANode.vue'
import LostUpdate from './components/LostUpdate.vue'
import Layout from './Layout.vue'
import './style.css'

export default {
  extends: DefaultTheme,
  Layout,
  enhanceApp({ app }) {
    enhanceAppWithTabs(app)
    app.component('ClusterUrl', ClusterUrl)
    app.component('Landing', Landing)
    app.component('LosingANode', LosingANode)
    app.component('LostUpdate', LostUpdate)
  },
} satisfies Theme
