"""Plain English about a phone: what a sensible owner does who is told so, word for word.

Short forms: "airplane off" is a switch, "auto" and "4g" a network mode; "bar", "net" and "data" are looks at the status
bar, the network and the data settings; "speed" is a test, "sim" and "restart" what they say, "ask" a question back.
"""

from __future__ import annotations

import re

import pytest

from t2t_dist.environments import registry
from t2t_dist.environments.base import Domain
from t2t_dist.environments.tools import Call
from t2t_dist.simulation.scripted.device import Devices
from t2t_dist.simulation.scripted.phrases import agent_acts

ONE = "555-200-0001"
SHORT = {
    "toggle_airplane_mode": "airplane",
    "toggle_mobile_data": "mobile",
    "toggle_data_roaming": "roaming",
    "toggle_data_saver": "saver",
    "toggle_vpn": "vpn",
    "set_network_mode": "",
    "check_status_bar": "bar",
    "check_network_settings": "net",
    "check_data_settings": "data",
    "run_speed_test": "speed",
    "reseat_sim": "sim",
    "reboot_phone": "restart",
}
MODES = {"automatic": "auto", "4G only": "4g", "3G only": "3g"}


def in_short(call: Call) -> str:
    given = [MODES.get(value, value) for slot, value in call.arguments.items() if slot != "phone_number"]
    return " ".join([SHORT[call.name], *given]).strip()


def done(domain: Domain, heard: str) -> str:
    """What the owner does, in short forms."""
    devices = Devices(domain.user_tools, domain.language, {"phone_number": [ONE]})
    read = devices.read(heard, [])
    return ", ".join([*(in_short(call) for call in read.calls), *(["ask"] if read.unclear else [])])


@pytest.fixture(scope="module")
def telecom() -> Domain:
    return registry.load("telecom", 0, 0.05)


#: A switch, and which way.
SWITCHES = [
    ("Switch the VPN on the phone off.", "vpn off"),
    ("Please switch the VPN off on your phone.", "vpn off"),
    ("Turn the VPN on your device on.", "vpn on"),
    ("On your phone, turn mobile data on.", "mobile on"),
    (f"On the phone with {ONE}, please switch airplane mode off.", "airplane off"),
    ("Could you please turn off airplane mode on your phone for me?", "airplane off"),
    ("Please turn on the data roaming setting on your device.", "roaming on"),
    ("Go ahead and disable Data Saver for me, please.", "saver off"),
    ("Please enable **Mobile Data** now.", "mobile on"),
    ("I'd like you to deactivate your VPN.", "vpn off"),
    ("Would you mind switching flight mode off?", "airplane off"),
    ("Kindly turn your cellular data back on.", "mobile on"),
    ("Try turning off low data mode.", "saver off"),
    ("Flip the airplane mode switch to off, please.", "airplane off"),
    ("pls turn vpn off", "vpn off"),
    ("vpn off pls", "vpn off"),
    ("Now set data roaming to ON.", "roaming on"),
    ("Make sure that airplane mode is off.", "airplane off"),
    ("Please ensure mobile data is turned on.", "mobile on"),
    ("Airplane mode should be off.", "airplane off"),
    ("Data roaming needs to be switched on in your phone's settings.", "roaming on"),
    ("Your VPN must not be on for this, so please make sure it isn't.", "vpn off"),
    ("Airplane mode has to be disabled.", "airplane off"),
    ("I need the data saver off, please.", "saver off"),
    ("Take your phone out of airplane mode, please.", "airplane off"),
    ("Put the phone into flight mode.", "airplane on"),
    ("Disconnect from the VPN, please.", "vpn off"),
    ("You'll need to turn data roaming on in your settings.", "roaming on"),
    ("You should switch the data saver off.", "saver off"),
    ("The next step is to turn off the VPN.", "vpn off"),
    ("Let's turn mobile data on.", "mobile on"),
    ("Let's go ahead and disable the VPN.", "vpn off"),
    ("Don't leave airplane mode on; switch it off.", "airplane off"),
    ("Tap the airplane icon to turn it off.", "airplane off"),
    ("Go to Settings > Network & Internet > Data Saver and switch it off.", "saver off"),
    ("Open Settings, tap on Mobile network, and turn on Data roaming.", "roaming on"),
    ("I see that airplane mode is on. Please turn it off.", "airplane off"),
    ("Thanks! The VPN is slowing you down, so please turn it off.", "vpn off"),
    ("Airplane mode is what blocks your signal. Could you switch that off?", "airplane off"),
    ("Please turn data saver and VPN off.", "saver off, vpn off"),
    ("Please turn off both the data saver and the VPN.", "saver off, vpn off"),
    ("Switch off your VPN as well as the data saver.", "vpn off, saver off"),
    ("Turn mobile data on and the VPN off.", "mobile on, vpn off"),
    ("I've allowed roaming on your line, so now please turn on data roaming on the phone.", "roaming on"),
    ("We need to turn data roaming on.", "roaming on"),
    ("It would help if you could turn the VPN off.", "vpn off"),
    ("Can you try disabling your VPN and then let me know?", "vpn off"),
    ("Why don't you turn the data saver off?", "saver off"),
    ("My suggestion: switch off the VPN.", "vpn off"),
    ("I'm going to ask you to turn airplane mode off now.", "airplane off"),
]  # fmt: skip

#: Everything else that is done.
DEEDS = [
    ("Please restart your phone.", "restart"),
    ("Could you reboot the device?", "restart"),
    ("Power cycle the phone, please.", "restart"),
    ("Turn your phone off and back on again.", "restart"),
    ("Please turn the phone off, wait ten seconds, and turn it back on.", "restart"),
    ("Please do a quick restart of your phone.", "restart"),
    ("Don't forget to restart your phone.", "restart"),
    ("Have you tried restarting your phone?", "restart"),
    ("Your phone needs to be restarted.", "restart"),
    ("Please reseat the SIM card.", "sim"),
    ("Remove the SIM card, then reinsert it.", "sim"),
    ("Take out the SIM and put it back in, please.", "sim"),
    ("Pop the SIM tray out, check the card is seated, and push it back in.", "sim"),
    ("Set your preferred network type to Automatic.", "auto"),
    ("Choose 'automatic' under preferred network, please.", "auto"),
    ("Change the network mode from 3G only to automatic.", "auto"),
    ("The preferred network should be set to automatic.", "auto"),
    ("Please set network mode back to auto.", "auto"),
    ("Please run another speed test.", "speed"),
    ("Could you do a speed test and tell me the result?", "speed"),
    ("Now test your speed with a speed test.", "speed"),
]

#: Several steps, in their order.
STEPS = [
    ("Turn airplane mode on, wait ten seconds, then turn it off again.", "airplane on, airplane off"),
    ("Switch airplane mode on and off again.", "airplane on, airplane off"),
    ("Toggle mobile data off, then back on.", "mobile off, mobile on"),
    ("Turn the VPN off and then restart your phone.", "vpn off, restart"),
    ("1. Turn off airplane mode\n2. Turn on mobile data\n3. Restart the phone", "airplane off, mobile on, restart"),
    (
        "Please follow these steps:\n\n1. **Open** the *Settings* app.\n2. Tap **Mobile network**.\n"
        "3. Turn **Data roaming** on.\n4. Restart your phone.",
        "roaming on, restart",
    ),
    ("- Disable the VPN\n- Disable data saver\n- Run a speed test", "vpn off, saver off, speed"),
    ("Step 1: switch off the VPN. Step 2: run a speed test.", "vpn off, speed"),
    ("After turning off the VPN, run a speed test, please.", "vpn off, speed"),
    ("Once you've switched mobile data on, please restart your phone.", "mobile on, restart"),
    ("First reseat your SIM card and then reboot.", "sim, restart"),
    ("Restart your phone and, once it's back on, tell me what the status bar shows.", "restart, bar"),
    ("Please turn off airplane mode and tell me whether the signal comes back.", "airplane off, bar"),
    (
        "Set the preferred network to automatic, turn the data saver off, then do a speed test.",
        "auto, saver off, speed",
    ),
    ("Please check the network settings and the data settings and read both to me.", "net, data"),
]

#: On a condition.
CONDITIONS = [
    ("If airplane mode is on, turn it off.", "airplane off"),
    ("If it is on, please switch the VPN off.", "vpn off"),
    ("If the data saver isn't off already, please turn it off.", "saver off"),
    ("Turn off the VPN if it's on.", "vpn off"),
    ("Check whether data roaming is on, and if it isn't, turn it on.", "net, roaming on"),
    ("Could you check if airplane mode is on? If so, turn it off.", "bar, airplane off"),
    ("If you don't mind, please restart your phone.", "restart"),
    ("If you can, turn mobile data on.", "mobile on"),
    ("If airplane mode is on, leave it on.", ""),
    ("If it says 'No SIM' in the status bar, take the SIM card out and put it back in.", "bar"),
    ("If that doesn't help, restart your phone.", "ask"),
    ("Turn the VPN off. If it's still slow after that, restart your phone.", "vpn off, ask"),
    ("If you turn off airplane mode, your signal should come back.", ""),
    ("If you have any questions about roaming, let me know.", ""),
]

#: A look, not a change.
LOOKS = [
    ("Is the VPN on?", "data"),
    ("Is your VPN switched off?", "data"),
    ("Could you tell me whether mobile data is on or off?", "net"),
    ("Did you turn airplane mode off?", "bar"),
    ("Please check that airplane mode is off.", "bar"),
    ("Please confirm that data roaming is turned on.", "net"),
    ("Do you see an airplane symbol at the top of your screen?", "bar"),
    ("What network mode is selected?", "net"),
    ("Have a look at the status bar and tell me what's there.", "bar"),
    ("Let me know if the data saver is enabled.", "data"),
    ("Check if roaming has been turned on in the phone.", "net"),
    ("Airplane mode is off, right?", "bar"),
    ("Can you see any signal bars?", "bar"),
    ("What do your network settings say?", "net"),
    ("Please verify the VPN isn't on.", "data"),
    ("Read me the data settings, please.", "data"),
    ("Please check the following:\n- Is airplane mode off?\n- Is mobile data on?", "bar, net"),
]

#: Nothing is to be done, or not now.
NOTHING = [
    ("Please don't turn airplane mode on.", ""),
    ("Leave data roaming on.", ""),
    ("Keep mobile data on, please.", ""),
    ("There's no need to restart your phone yet.", ""),
    ("You don't have to turn the VPN off.", ""),
    ("Don't restart the phone or take the SIM out.", ""),
    ("Never turn off roaming while you are abroad.", ""),
    ("Your phone restarted after that, which is fine.", ""),
    ("Roaming was on before.", ""),
    ("I can see that you turned airplane mode off. Great!", ""),
    ("Turning the VPN off might help.", ""),
    ("I've switched roaming off on the line, as you wanted.", ""),
    ("I'll turn on roaming for your line in a moment.", ""),
    ("Here is what I'll do:\n1. Enable roaming on your line\n2. Note it on the account", ""),
    ("Please do not do any of these:\n- Restart the phone\n- Turn on the VPN", ""),
    ("Airplane mode switches off calls and data.", ""),
    ("Turn off Wi-Fi, please.", ""),
    ("Turn off Wi-Fi and then turn it on again.", ""),
    ("Would you like me to turn on roaming for your line?", ""),
    ("You can turn data roaming on later, when you're abroad.", ""),
    ("Later I'll ask you to restart your phone.", ""),
    ("Good that the VPN is off now.", ""),
    ("Thank you for turning airplane mode off.", ""),
    ("Your phone will restart by itself.", ""),
    ("Refrain from switching mobile data off.", ""),
    ("Mobile data is on and roaming is on, so that's not the cause.", ""),
    ("With the data saver on, apps load slowly.", ""),
    ("Before, you had the VPN on.", ""),
]

#: Some of it is to be done, some not.
PARTLY = [
    ("Turn the VPN off, but leave roaming on.", "vpn off"),
    ("Turning roaming on might help, but first check the status bar.", "bar"),
    ("Don't turn off mobile data; just restart the phone.", "restart"),
    ("No need to restart yet, just switch airplane mode off.", "airplane off"),
    ("Instead of restarting the phone, switch the data saver off.", "saver off"),
    ("Turn the VPN off without restarting the phone.", "vpn off"),
    ("Restart your phone to switch on the new settings.", "restart"),
    ("Please restart your phone so that roaming is turned on.", "restart"),
    ("Please turn off the VPN, not the data saver.", "vpn off"),
    ("Turn airplane mode off, since it blocks mobile data.", "airplane off"),
    ("Please turn the VPN off and keep it off.", "vpn off"),
    ("Please keep airplane mode on for ten seconds, then switch it off.", "airplane off"),
]

#: Nobody could tell what is meant.
UNCLEAR = [
    ("Please change the airplane mode.", "ask"),
    ("Toggle mobile data, please.", "ask"),
    ("Please switch the VPN on your phone.", "ask"),
    ("Turn the data saver on or off, please.", "ask"),
    ("Please change your preferred network.", "ask"),
    ("Adjust data roaming, please.", "ask"),
]


#: In the words of models and of staff.
AS_AGENTS_SAY_IT = [
    (
        "Thanks for confirming! It looks like airplane mode is enabled. Could you please go to "
        "**Settings → Network & Internet** and toggle **Airplane mode** off? Let me know once that's "
        "done.",
        "airplane off",
    ),
    (
        "Great, thanks. Next, let's make sure mobile data is enabled:\n\n1. Open **Settings**\n2. Tap "
        "**Mobile Network**\n3. Turn **Mobile data** on\n\nOnce you've done that, please run a speed test "
        "and share the result with me.",
        "mobile on, speed",
    ),
    (
        "I understand how frustrating that must be. To start, could you look at the status bar at the "
        "top of your screen and tell me what you see?",
        "bar",
    ),
    (
        "Before we change anything, could you check your mobile network settings and tell me: is mobile "
        "data on, is data roaming on, and which preferred network is selected?",
        "net",
    ),
    (
        "I've enabled roaming on your line. The last step is on your side: please switch data roaming on "
        "in your phone and then restart it.",
        "roaming on, restart",
    ),
    ("Your line is active again. Please restart your phone so it can register on the network.", "restart"),
    ("Thank you. Since the preferred network is set to 3G only, please change it to Automatic.", "auto"),
    ("The VPN can slow down your connection. Would you please disconnect it for now?", "vpn off"),
    (
        "It seems your SIM isn't detected. Please power off, remove the SIM card, reinsert it firmly, "
        "and power the phone back on.",
        "sim, restart",
    ),
    ("Please leave everything else as it is; just turn the data saver off.", "saver off"),
    ("Could you turn airplane mode on for about 30 seconds and then turn it back off?", "airplane on, airplane off"),
    ("Once you're back home, please remember to turn data roaming off.", ""),
    ("When you land, switch on data roaming on your phone.", ""),
    ("Do you currently have a VPN or a data saver running on the phone?", "data"),
    ("No changes are needed on your phone, so please don't touch the roaming setting.", ""),
    ("I'd start with the simplest thing: is there a little airplane icon showing at the top of the phone?", "bar"),
    (
        "Okay, that explains it. With airplane mode on, the phone can't reach the network. Please switch "
        "it off and tell me what the status bar says then.",
        "airplane off, bar",
    ),
    (
        "That's good news, the SIM is back in place. The phone is asking for a restart, so please go "
        "ahead and do that now.",
        "restart",
    ),
    (
        "Let's take this one step at a time. First, please just look at the network settings, don't "
        "change anything yet, and read me what they say.",
        "net",
    ),
    ("Mobile data being off is the cause here. Could you switch it on?", "mobile on"),
    ("Please set the preferred network to automatic. You don't need to restart the phone for this.", "auto"),
    ("Before turning roaming on, I'd like to see what's set. What do the network settings show?", "net"),
    (
        "The data saver was on, and that's what slowed things down. Would you turn it off, and the VPN as well?",
        "saver off, vpn off",
    ),
    (
        "I can't see or change your phone from here, so I'll need you to flip airplane mode off yourself.",
        "airplane off",
    ),
    ("You mentioned the VPN is on. If you don't need it right now, please turn it off.", "ask"),
    ("If the status bar still shows no service after that, we'll restart the phone, but let's not do that yet.", ""),
    ("I'd rather not have you restart it yet. Could you run a speed test first?", "speed"),
    ("Roaming is now allowed on the line. Data roaming on the phone should be on as well; could you check?", "net"),
    (
        "To resolve the issue, please follow the steps below:\n* Go to Settings\n* Select Data Saver\n* "
        "Turn it off\n* Go to VPN\n* Turn it off",
        "saver off, vpn off",
    ),
    ("Please perform a speed test and provide me with the results.", "speed"),
    ("I would like to request that you restart your device.", "restart"),
    ("You can try to toggle airplane mode on and off to refresh the connection.", "airplane on, airplane off"),
    ("Please verify if the SIM card is inserted properly.", "bar"),
    ("Kindly ensure that your data roaming is enabled and airplane mode is disabled.", "roaming on, airplane off"),
    ("Please navigate to your phone's settings and enable mobile data.", "mobile on"),
    ("Can you please check your signal status?", "bar"),
    (
        "I apologize for the inconvenience. Please turn off your phone, wait for 30 seconds, and then "
        "turn it on again.",
        "restart",
    ),
    ("Please note that turning on data roaming may incur charges.", ""),
    ("I will now enable roaming on your line. Do you want me to proceed?", ""),
    ("airplane mode off, then reboot", "airplane off, restart"),
    ("Status bar says?", "bar"),
    ("reboot pls", "restart"),
    ("VPN off. Data saver off. Then speed test.", "vpn off, saver off, speed"),
    ("Roaming on your phone: on or off?", "net"),
    ("Need you to pull the SIM and pop it back in.", "sim"),
    ("Mobile data on?", "net"),
    ("Set network to auto.", "auto"),
    ("Kill the VPN and run the speed test again.", "vpn off, speed"),
    ("don't restart. just mobile data on please", "mobile on"),
    (
        "Ha, been there! So what I want you to do, if you've got a sec, is just switch that pesky airplane mode off.",
        "airplane off",
    ),
    (
        "Right then, let's have a go at something: pop the SIM out, give it a wipe, and pop it back in "
        "for me, would you?",
        "sim",
    ),
    (
        "Lovely, that's the data roaming sorted then. Now if you could just give the phone a quick "
        "restart, we should be good to go!",
        "restart",
    ),
    ("Oh, you'll want that data saver off, it makes everything crawl.", "saver off"),
    ("No no, keep roaming on, it's the VPN I want switched off.", "vpn off"),
    ("Be a star and tell me what it says at the top of your screen?", "bar"),
    ("My colleague turned off roaming for your line yesterday, that's all done.", ""),
    ("Most people have their VPN on without knowing it, would you mind having a peek in the data settings?", "data"),
    ("Not the mobile data, that's fine. It's the data saver that needs to go off.", "saver off"),
    ("Whatever you do, don't switch airplane mode on while the download runs.", ""),
    ("Alright, could you turn off your VPN for me and then let me know if your speeds improve?", "vpn off"),
    ("Please toggle Airplane Mode **ON**, wait 10–15 seconds, then toggle it **OFF**.", "airplane on, airplane off"),
    (
        "Could you please restart your phone one more time? After it boots up, check the status bar and "
        "tell me what it displays.",
        "restart, bar",
    ),
    ("Just to double-check: the preferred network is automatic, correct?", "net"),
    ("I'm glad to hear the speed is back! Remember that leaving the VPN off will keep it that way.", ""),
    ("Now, on the same screen, please turn on data roaming.", "roaming on"),
    ("You may also want to switch off the data saver, since it limits background data.", "saver off"),
    ("Please don't switch roaming on just yet. I first have to allow it on the line.", ""),
    (
        "Since you're abroad, data roaming must be on. Please switch it on and restart the phone.",
        "roaming on, restart",
    ),
    ("What I'd like you to do next is take out the SIM card and put it back in.", "sim"),
    ("Is there an airplane at the top of the screen, or does it say 'No SIM'?", "bar"),
    ("It's important that airplane mode is off.", "airplane off"),
    ("Would it be possible for you to deactivate data saver mode?", "saver off"),
    ("Please go to Settings, choose Network, and make sure that Data Roaming is toggled off.", "roaming off"),
    (
        "The airplane icon means that airplane mode is on, so the phone has no signal. Turn it off, please.",
        "airplane off",
    ),
    ("Once again, please run the speed test.", "speed"),
    ("Can you confirm whether the phone restarted?", ""),
    ("Has the phone been restarted since then?", ""),
    ("Do not turn on the VPN again, it slows your data down.", ""),
    ("I was wondering if you could switch off airplane mode.", "airplane off"),
    (
        "Everything on our side is fine; the mobile data on your phone is simply switched off. Please "
        "switch it back on.",
        "mobile on",
    ),
    ("If your phone shows a little airplane, please turn airplane mode off.", "airplane off"),
    ("Unless it's already set to automatic, please set the preferred network to automatic.", "auto"),
    ("Go into your network settings. What is the preferred network set to?", "net"),
    ("Try this for me: VPN off, data saver off, and then another speed test.", "vpn off, saver off, speed"),
    ("Next up: restart.", "restart"),
    ("You had turned mobile data off, hadn't you?", "net"),
    ("Let me know what the speed test says once you've run it.", "speed"),
    ("I'd hold off on restarting the phone for now.", ""),
    ("Rather than turning the VPN off, let's look at the network settings.", "net"),
    ("Please swipe down from the top and tap the airplane icon so that it's off.", "airplane off"),
    ("First turn airplane mode on. Second, wait a few seconds. Third, turn it off.", "airplane on, airplane off"),
    ("Please have your phone restarted.", "restart"),
    ("Could you get your phone off airplane mode?", "airplane off"),
    ("Get data roaming switched on, then reboot the phone.", "roaming on, restart"),
    ("The VPN needs turning off.", "vpn off"),
    ("Data saver: please turn it off. VPN: leave it.", "saver off"),
    ("To fix this, turn mobile data on.", "mobile on"),
    ("In order to get your signal back, please take the SIM card out and put it back.", "sim"),
    ("By turning off the data saver you would get more speed.", ""),
    ("Your phone should have data roaming turned on.", "roaming on"),
    ("I can't turn on data roaming for you, you have to do that on the phone yourself.", "roaming on"),
    ("Did restarting the phone help?", ""),
    ("Switch to automatic network mode, please.", "auto"),
    ("Select 'Automatic' as your preferred network type and tell me when that's done.", "auto"),
    ("Just checking: VPN is still off?", "data"),
    ("We'll have to reseat the SIM. Could you do that?", "sim"),
    ("Set airplane mode to off and mobile data to on.", "airplane off, mobile on"),
    ("Turn everything off: VPN, data saver.", "vpn off, saver off"),
    ("Turn off your phone's VPN.", "vpn off"),
    ("Turn on your phone's data roaming, please.", "roaming on"),
    ("Don't worry about the data saver. Just disable the VPN.", "vpn off"),
    ("Please disable roaming in your phone's settings, and I'll forbid it on the line.", "roaming off"),
    ("You will see a switch next to Data roaming. Flip it on.", "roaming on"),
    ("After that, restart your phone. Don't change anything else.", "restart"),
    ("There's nothing to change. Keep the network on automatic.", ""),
    ("When the phone has restarted, please check if there's a signal.", "bar"),
    ("Could you switch data roaming off and, while you're at it, the VPN too?", "roaming off, vpn off"),
    (
        "Thank you for that. Your plan and line look fine, so the problem is most likely on the phone. "
        "Please open the network settings and read me everything you see there.",
        "net",
    ),
    ("No problem at all! Turn the VPN back on once we're finished.", ""),
    ("Perfect. Please enable data roaming, and after you've done so, restart the phone.", "roaming on, restart"),
    (
        "**Step 1:** Check the status bar.\n**Step 2:** If you see the airplane icon, turn off airplane "
        "mode.\n**Step 3:** Restart your phone.",
        "bar, airplane off, restart",
    ),
    ("Can we try turning airplane mode on and off?", "airplane on, airplane off"),
    ("Would you please check the data settings for me? I'm interested in the VPN and the data saver.", "data"),
    ("Got it. So roaming is off in the phone. Let's switch it on.", "roaming on"),
    ("So your network is set to 3G only. We want that to be automatic, so please change it.", "auto"),
    ("I recommend restarting your phone.", "restart"),
    ("I'd recommend that you leave the VPN off.", ""),
    ("Please undo that: turn mobile data off again.", "mobile off"),
    ("I'd like to check something: what does the top of your screen show?", "bar"),
    ("Please try the speed test again and let me know.", "speed"),
    ("Could you also take a look at the network settings?", "net"),
    ("The phone must be restarted for roaming to work.", "restart"),
    ("Roaming works only after a restart.", ""),
    ("You won't need to restart.", ""),
    ("It isn't necessary to take out the SIM.", ""),
    ("Please make sure that you don't switch off mobile data.", ""),
    ("Make sure not to turn airplane mode on again.", ""),
    ("We turned on roaming for you; please make sure it's also enabled on your device.", "roaming on"),
    ("Is there any chance you could turn off the VPN?", "vpn off"),
    ("How about switching the data saver off?", "saver off"),
    ("Do you have mobile data switched on?", "net"),
    ("Are you using a VPN at the moment?", "data"),
    ("What about the data saver, is that on?", "data"),
    ("Airplane mode: please switch off.", "airplane off"),
    ("Please switch off: airplane mode and the VPN.", "airplane off, vpn off"),
    ("Next, kindly remove your SIM card from its slot, then place it back.", "sim"),
    ("Toggle the switch for Mobile data to the ON position.", "mobile on"),
    ("Slide the airplane mode toggle to the left so it's off.", "airplane off"),
    ("If the preferred network isn't automatic, please change it to automatic.", "auto"),
    ("Please go back to the network settings and put the preferred network on automatic.", "auto"),
    ("Please leave the preferred network on automatic.", ""),
    ("Could you set it up so that data roaming is on?", "roaming on"),
    ("I'd want the VPN off before we test again.", "vpn off"),
    ("Please turn off VPN/data saver.", "vpn off, saver off"),
    ("Just turn your phone off and on.", "restart"),
    ("Turn off data roaming only; mobile data stays on.", "roaming off"),
    ("Turn mobile data on, not roaming.", "mobile on"),
    ("Turn airplane mode off instead of restarting.", "airplane off"),
    ("Please stop using the VPN.", "vpn off"),
    ("Please exit airplane mode.", "airplane off"),
    ("Please activate flight mode for a few seconds and deactivate it afterwards.", "airplane on, airplane off"),
    ("Data roaming on, then restart please.", "roaming on, restart"),
    ("Check airplane mode.", "bar"),
    ("Look for the data saver in the settings and turn it off.", "saver off"),
    ("I think the data saver is the culprit. Mind turning it off?", "saver off"),
    ("You'd need to restart the phone, please.", "restart"),
    ("You said the VPN is off and the data saver is on. Then turn off the data saver, please.", "saver off"),
    ("The speed test shows 180 Mbps, so everything works. You can turn the VPN on again if you like.", "vpn on"),
    ("If you want to use data abroad, data roaming has to be on.", "ask"),
    ("Great, that did it! No further steps are needed on your phone.", ""),
    ("Once airplane mode is off, what does the status bar say?", "bar"),
    ("Could you turn it off?", ""),
    ("Please tell me if airplane mode is on; if it is, switch it off.", "bar, airplane off"),
    ("You don't happen to have the VPN on, do you?", "data"),
    ("You shouldn't turn off mobile data.", ""),
    ("There is nothing you need to switch off.", ""),
    ("I turned on roaming on your line and your phone should pick it up.", ""),
    ("Your data roaming is on, and your mobile data is off.", ""),
    ("People often turn on airplane mode by accident.", ""),
    ("The reason is that the VPN was on.", ""),
    ("When the VPN is on, speeds drop.", ""),
    ("I wouldn't restart the phone yet.", ""),
    ("Before you restart the phone, please check the status bar.", "bar"),
    ("Restarting is not needed; simply turn airplane mode off.", "airplane off"),
    ("Okay, let's leave airplane mode off and turn mobile data on.", "mobile on"),
    ("Turn off nothing else, please.", ""),
    ("Only turn off the VPN, nothing else.", "vpn off"),
    ("Please don't turn off anything but the VPN.", ""),
    ("Turn data roaming off. Don't turn mobile data off.", "roaming off"),
    ("I see data roaming is off. That's right, keep it that way.", ""),
    ("Roaming can be switched on in your phone's settings.", ""),
    ("Do you want to turn the VPN off?", ""),
    ("Should I explain how to turn off the VPN?", ""),
    ("You could have turned the VPN off.", ""),
    ("I'm afraid turning the data saver off won't help.", ""),
    ("Our technicians will restart the network tonight.", ""),
    ("Your line was suspended, which switched off your data.", ""),
    ("If you had turned airplane mode on, you would see an airplane.", ""),
    ("To avoid charges, don't turn data roaming on.", ""),
    ("To avoid charges, turn data roaming off.", "roaming off"),
    ("Are you sure airplane mode isn't on?", "bar"),
    ("Airplane mode isn't on, is it?", "bar"),
    ("Please never turn the VPN off while you do online banking.", ""),
    ("Turn the VPN off while we test.", "vpn off"),
    ("You can leave the VPN off now.", ""),
    ("Could you keep airplane mode off, please?", ""),
    ("Please turn mobile data off, and I mean off, not on.", "mobile off"),
    ("Please switch on mobile data on your second phone.", "mobile on"),
    ("Switch mobile data on on your phone.", "mobile on"),
    ("Switch off on the phone the VPN.", "vpn off"),
    ("Let me know as soon as you've turned off airplane mode.", "airplane off"),
    ("Then I can turn on roaming on the line.", ""),
    ("Shall we turn off the VPN?", ""),
    ("I was about to ask you to restart the phone, but that isn't needed.", ""),
    ("No, not the VPN. Turn off the data saver.", "saver off"),
    ("Great job turning off airplane mode!", ""),
    ("Please describe what happened after you restarted the phone.", ""),
    ("Since you turned the VPN on, has the speed changed?", ""),
    ("Your plan lets you turn on roaming abroad.", ""),
    ("Nothing on the phone needs to be changed.", ""),
    ("The phone doesn't need to be restarted.", ""),
    ("Airplane mode doesn't have to be on.", ""),
    ("The VPN should never be on.", "vpn off"),
    ("Make sure airplane mode is no longer on.", "airplane off"),
    ("Don't have the VPN on, please.", "vpn off"),
    ("Please don't keep the data saver on.", "saver off"),
    ("Don't switch airplane mode off before I say so.", ""),
    ("Wait before you restart the phone.", ""),
    ("Please wait until I have enabled roaming and then restart the phone.", "restart"),
    ("I need you not to restart the phone.", ""),
    ("Could you not turn roaming off?", ""),
]


@pytest.mark.parametrize(
    ("heard", "expected"),
    [*SWITCHES, *DEEDS, *STEPS, *CONDITIONS, *LOOKS, *NOTHING, *PARTLY, *UNCLEAR, *AS_AGENTS_SAY_IT],
)
def test_an_owner_does_what_plain_english_asks_for(telecom: Domain, heard: str, expected: str) -> None:
    assert done(telecom, heard) == expected


def test_every_wording_of_the_scripted_agents_for_a_tool_is_that_call(telecom: Domain) -> None:
    for tool in telecom.user_tools:
        for guide in telecom.language.tool(tool).guide:
            for to, mode in (("on", "automatic"), ("off", "3G only")):
                heard = guide.format(phone_number=ONE, to=to, mode=mode)
                given = {"to": to, "mode": mode, "phone_number": ONE}
                call = Call(tool.name, {slot: given[slot] for slot in tool.parameters})
                assert done(telecom, f"I've now allowed roaming on the line {ONE}. {heard}") == in_short(call), heard


def test_what_scripted_agents_say_of_their_own_acts_asks_for_nothing(telecom: Domain) -> None:
    own = {tool.name for tool in telecom.user_tools}
    said = [
        text for name, words in telecom.language.tools.items() if name not in own for text in [*words.plan, *words.done]
    ]
    said += [text for act, texts in agent_acts().items() if act != "guide" for text in texts]
    for text in said:
        heard = re.sub(r"\{[^{}]*\}", f"the line {ONE}", text)
        assert done(telecom, f"Roaming is forbidden on the line now. {heard}") == "", heard


def test_no_message_makes_an_owner_switch_for_ever(telecom: Domain) -> None:
    assert len(done(telecom, "Turn airplane mode on. Turn airplane mode off. " * 500).split(", ")) == 20
