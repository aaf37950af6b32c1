import { chromium } from 'playwright-core';
const base='http://127.0.0.1:18099';
const b=await chromium.launch({executablePath:'/usr/bin/chromium',args:['--headless','--no-sandbox','--disable-gpu']});
for (const [name,vp] of [['desktop',{width:1200,height:900}],['phone',{width:375,height:800}]]) for (const cs of ['light','dark']) {
  const c=await b.newContext({viewport:vp,colorScheme:cs,reducedMotion:'reduce'}); const p=await c.newPage();
  await p.goto(base+'/admin/activity'); await p.fill('#login','grace'); await p.fill('#password','another battery horse staple'); await p.click('#login-submit'); await p.waitForSelector('#activity');
  await p.screenshot({path:`/tmp/act-look/activity-${name}-${cs}.png`,fullPage:true});
  if (cs==='light') { await p.goto(base+'/admin/activity?range=week'); await p.screenshot({path:`/tmp/act-look/week-${name}.png`});
   await p.goto(base+'/admin/events'); await p.screenshot({path:`/tmp/act-look/events-${name}.png`,fullPage:false});
   await p.goto(base+'/admin/activity'); await p.click('#alerts a'); await p.screenshot({path:`/tmp/act-look/event-${name}.png`}); }
  await c.close(); }
await b.close();
