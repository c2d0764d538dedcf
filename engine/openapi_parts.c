/* JSON in C strings is unreadable with its own quotes. */
#include "engine/openapi_parts.h"

/* clang-format off */
const char openapi_introduction[] =
    "'summary':'Asks the chain of modules, as Synapse would ask its own.',"
    "'description':'Open with `requests: {http: true}`. With `http.secret` every path needs it as a bearer token. "
    "Errors have the shape of those of the Matrix APIs.'";

#define JSON_BODY(schema) "'content':{'application/json':{'schema':{'$ref':'#/components/schemas/" schema "'}}}"
#define ERROR(status, name) ",'" status "':{'$ref':'#/components/responses/" name "'}"
#define ERRORS_OF_ALL ERROR("401", "Unauthorized") ERROR("405", "WrongMethod")

const char openapi_own_paths[] =
    "\n'/openapi.json':{'get':{'operationId':'openapi','summary':'This description','tags':['about'],"
    "'responses':{'200':{'description':'An OpenAPI document.','content':{'application/json':{'schema':{'type':'object'}}}}"
    ERRORS_OF_ALL "}}},"
    "\n'/v1/callbacks':{'get':{'operationId':'list_callbacks','summary':'The callbacks that may be asked',"
    "'tags':['about'],'responses':{'200':{'description':'All of them.'," JSON_BODY("CallbackList") "}" ERRORS_OF_ALL "}}},"
    "\n'/v1/explain':{'post':{'operationId':'explain','summary':'What each module says to one question, and why',"
    "'description':'An event alone is asked of the callbacks that an observed event is asked of. Nothing is published or "
    "counted. A module that would have to wait for somebody is told of and not waited for. `?format=text` gives what "
    "`weir explain` prints.','parameters':[{'name':'format','in':'query','schema':{'enum':['json','text']}}],'tags':['about'],'requestBody':{'required':true," JSON_BODY("ExplainQuestion") "},"
    "'responses':{'200':{'description':'The explanation.','content':{"
    "'application/json':{'schema':{'$ref':'#/components/schemas/Explanation'}},"
    "'text/plain':{'schema':{'type':'string'}}}}"
    ERROR("400", "BadRequest") ERRORS_OF_ALL ERROR("413", "TooLarge") "}}},"
    "\n'/v1/reload':{'get':{'operationId':'reload_status','summary':'How the last reload of the configuration ended',"
    "'tags':['about'],'responses':{'200':{'description':'Since the start.'," JSON_BODY("ReloadStatus") "}" ERRORS_OF_ALL "}},"
    "'post':{'operationId':'reload','summary':'Loads the configuration again, and answers when that is done',"
    "'description':'It is made in a thread and takes over between two events. Requests that come meanwhile are answered by "
    "one more run. A broken configuration is refused and changes nothing.','tags':['about'],"
    "'responses':{'200':{'description':'It is in use.'," JSON_BODY("Reload") "},"
    "'422':{'description':'It was refused; the old one goes on.'," JSON_BODY("ReloadRefused") "},"
    "'503':{'description':'The server is shutting down.'," JSON_BODY("Error") "}" ERRORS_OF_ALL ERROR("413", "TooLarge") "}}},"
    "\n'/antispam/ping':{'post':{'operationId':'antispam_ping','summary':'ping',"
    "'description':'As synapse-http-antispam asks at its start. Any prefix may stand before the path.',"
    "'tags':['synapse-http-antispam'],'requestBody':{'required':true,'content':{'application/json':{'schema':"
    "{'type':'object','properties':{'id':{'type':'string'}},'required':['id']}}}},"
    "'responses':{'200':{'description':'The same id.','content':{'application/json':{'schema':{'type':'object',"
    "'properties':{'id':{'type':'string'},'status':{'const':'ok'}},'required':['id','status']}}}}"
    ERROR("400", "BadRequest") ERRORS_OF_ALL "}}}";

const char openapi_question_errors[] =
    ERROR("400", "BadRequest") ERRORS_OF_ALL ERROR("413", "TooLarge") ERROR("429", "Overloaded")
    ERROR("504", "TimedOut");

const char openapi_antispam_answers[] =
    "'200':{'description':'Let pass; also what is not known or not understood.','content':{'application/json':"
    "{'schema':{'type':'object','maxProperties':0}}}},"
    "'403':{'description':'Refused.'," JSON_BODY("Error") "},"
    "'503':{'$ref':'#/components/responses/NoVerdict'},'504':{'$ref':'#/components/responses/NoVerdict'}"
    ERROR("400", "BadRequest") ERRORS_OF_ALL ERROR("413", "TooLarge");

#define RESPONSE(name, description) "'" name "':{'description':'" description "'," JSON_BODY("Error") "}"

const char openapi_schemas[] =
    "\n'Error':{'type':'object','properties':{'errcode':{'type':'string','examples':['M_FORBIDDEN']},"
    "'error':{'type':'string','description':'A sentence for people.'}},'required':['errcode','error']},"
    "\n'OverloadedError':{'allOf':[{'$ref':'#/components/schemas/Error'},{'type':'object','properties':"
    "{'retry_after_ms':{'type':'integer'}},'required':['retry_after_ms']}]},"
    "\n'Event':{'type':'object','description':'As clients or servers see it. `content` is an object if it is there.',"
    "'properties':{'type':{'type':'string'},'event_id':{'type':'string'},'room_id':{'type':'string'},"
    "'sender':{'type':'string'},'state_key':{'type':'string'},'content':{'type':'object'}}},"
    "\n'State':{'type':['array','null'],'description':'The events of the state of the room.',"
    "'items':{'$ref':'#/components/schemas/Event'}},"
    "\n'PresenceState':{'type':'object','properties':{'user_id':{'type':'string'},'state':{'type':'string'},"
    "'last_active_ts':{'type':'integer'},'last_federation_update_ts':{'type':'integer'},"
    "'last_user_sync_ts':{'type':'integer'},'status_msg':{'type':['string','null']},"
    "'currently_active':{'type':'boolean'}},'required':['user_id']},"
    "\n'UploadLimit':{'type':'object','properties':{'max_bytes':{'type':'integer'},'time_period_ms':{'type':'integer'}},"
    "'required':['max_bytes','time_period_ms']},"
    "\n'TimeoutMs':{'type':'integer','minimum':1,'description':'How long the asker waits for modules that ask somebody "
    "else; `requests.timeout` is the most.'},"
    "\n'Raised':{'type':'object','properties':{'type':{'type':'string','examples':['SynapseError']},"
    "'code':{'type':'integer','description':'HTTP status, of SynapseError.'},'errcode':{'type':'string'},"
    "'msg':{'type':'string'},'fields':{'type':'object'}},'required':['type']},"
    "\n'Value':{'description':'The value that the chain of Synapse would have handed to its caller, with a tag that says "
    "which kind it is. Beside the tag, `after` is the argument that modules edited.','anyOf':[{'const':'NOT_SPAM'},"
    "{'type':'object','properties':{'code':{'type':'string'},'fields':{'type':'object'}},'required':['code']},"
    "{'type':'object','properties':{'raise':{'$ref':'#/components/schemas/Raised'}},'required':['raise']},"
    "{'type':'object','properties':{'none':{'const':true},'bool':{'type':'boolean'},'int':{'type':'integer'},"
    "'float':{'type':['number','null']},'str':{'type':'string'},'behaviour':{'enum':['ALLOW','SHADOW_BAN','DENY']},"
    "'tuple':{'type':'array','items':{'$ref':'#/components/schemas/Value'}},"
    "'list':{'type':'array','items':{'$ref':'#/components/schemas/Value'}},'set':{'type':'array'},"
    "'dict':{'type':'object','additionalProperties':{'$ref':'#/components/schemas/Value'}},'json':{},"
    "'event':{'type':'object'},'state':{'$ref':'#/components/schemas/PresenceState'},'callable':{'const':true},"
    "'limit':{'type':'array'},'override':{'type':'array'},'object':{'type':'string'},'after':{'type':'object'}},"
    "'minProperties':1}]},"
    "\n'Reload':{'type':'object','properties':{'modules':{'type':'integer','description':'Of the chain in use.'},"
    "'seconds':{'type':'number','description':'That it took.'},'stall_ms':{'type':'number','description':'For how long of "
    "it events waited.'},'cause':{'type':'string'},'warnings':{'type':'array','items':{'type':'string'}}},"
    "'required':['modules','seconds','stall_ms','cause','warnings']},"
    "\n'ReloadRefused':{'allOf':[{'$ref':'#/components/schemas/Error'},{'$ref':'#/components/schemas/Reload'},"
    "{'type':'object','properties':{'errors':{'type':'array','items':{'type':'string','description':"
    "'file:line:column: key: what is wrong'}}},'required':['errors']}]},"
    "\n'ReloadStatus':{'type':'object','properties':{'loading':{'type':'boolean'},'reloads':{'type':'integer'},"
    "'refused':{'type':'integer'},'last':{'anyOf':[{'type':'null'},{'allOf':[{'$ref':'#/components/schemas/Reload'},"
    "{'type':'object','properties':{'loaded':{'type':'boolean'},'at':{'type':'integer','description':'Seconds since 1970.'},"
    "'errors':{'type':'array','items':{'type':'string'}}},'required':['loaded','at','errors']}]}]}},"
    "'required':['loading','reloads','refused','last']},"
    "\n'CallbackList':{'type':'object','properties':{'semantics':{'enum':['latest','1.47']},'callbacks':{'type':'array',"
    "'items':{'type':'object','properties':{'name':{'type':'string'},'family':{'type':'string'},"
    "'asked':{'type':'string'},'introduced':{'type':'string'},'removed':{'type':['string','null']},"
    "'arguments':{'type':'array','items':{'type':'object','properties':{'name':{'type':'string'},"
    "'type':{'type':'string'}},'required':['name','type']}},'exists':{'type':'boolean','description':"
    "'With the semantics that are configured.'},'modules':{'type':'integer','description':'How many registered it.'}},"
    "'required':['name','family','arguments','exists','modules']}}},'required':['semantics','callbacks']},"
    "\n'ExplainQuestion':{'type':'object','description':'An event, or a callback with its arguments.','properties':"
    "{'event':{'$ref':'#/components/schemas/Event'},'callback':{'type':'string'},'args':{'type':'object'}}},"
    "\n'Explanation':{'type':'object','properties':{'version':{'const':1},'event':{'type':'object','properties':{"
    "'event_id':{'type':['string','null']},'type':{'type':['string','null']},'state_key':{'type':['string','null']},"
    "'sender':{'type':['string','null']},'room_id':{'type':['string','null']},'bytes':{'type':'integer'}}},"
    "'synapse_asks':{'type':'array','items':{'type':'string'}},'weir_asks':{'type':'array','items':{'type':'string'}},"
    "'observe_ask':{'enum':['both','as_synapse']},'reason':{'type':'string','description':'Why Synapse would ask these.'},"
    "'asked':{'type':'string'},'rule':{'type':['string','null']},'failures':{'type':'string'},"
    "'callbacks':{'type':'array','items':{'$ref':'#/components/schemas/ExplainedCallback'}},"
    "'outcome':{'type':'object','properties':{'kind':{'enum':['passed','changed','denied','failed','open']},"
    "'callback':{'type':'string'},'module':{'type':['string','null']},'index':{'type':'integer'},"
    "'value':{'$ref':'#/components/schemas/Value'},'reason':{'type':'string'}},'required':['kind']},"
    "'after':{'type':'object'},'dry_runs':{'type':'array','items':{'type':'object'}},'verdict':{'type':'object'},"
    "'clock_ns':{'type':'integer'},'repetitions':{'type':'integer'}},'required':['version','callbacks','outcome']},"
    "\n'ExplainedCallback':{'type':'object','properties':{'name':{'type':'string'},'family':{'type':'string'},"
    "'not_asked':{'type':['string','null']},'modules':{'type':'array','items':{'type':'object','properties':{"
    "'place':{'type':'integer'},'index':{'type':'integer','description':'In `modules` of the configuration.'},"
    "'module':{'type':'string'},'not_asked':{'type':['string','null']},'says':{'type':'string'},"
    "'value':{'description':'As of the module, with a tag.'},'rule':{'type':['string','null']},"
    "'reason':{'type':['string','null']},'where':{'type':['object','null'],'properties':{'start':{'type':'integer'},"
    "'end':{'type':'integer'},'replaced_event':{'type':'boolean'},'parent':{'type':['string','null']},"
    "'key':{'type':['string','null']},'before':{'type':'string','description':'Some of the event before it.'},"
    "'text':{'type':'string'},'after':{'type':'string'}}},'tags':{'type':'array','items':{'type':'string'},"
    "'description':'That it set.'},'ns':{'type':'integer'},'waited_ns':{'type':'integer'},"
    "'median_ns':{'type':'integer'},'ends':{'type':'boolean'},'dry_run':{'type':'boolean'},"
    "'would_have_ended':{'type':'boolean'}},'required':['place','index','module','not_asked']}}},"
    "'required':['name','family','not_asked','modules']}";

const char openapi_responses[] =
    "\n" RESPONSE("BadRequest", "M_NOT_JSON or M_BAD_JSON: the body cannot be read.") ","
    "\n" RESPONSE("Unauthorized", "M_MISSING_TOKEN or M_UNKNOWN_TOKEN: the secret is missing or is another.") ","
    "\n" RESPONSE("WrongMethod", "M_UNRECOGNIZED: the path is served for another method, see Allow.") ","
    "\n" RESPONSE("TooLarge", "M_TOO_LARGE: the body is larger than 1 MiB.") ","
    "\n'Overloaded':{'description':'M_LIMIT_EXCEEDED: too many questions wait for an answer.',"
    JSON_BODY("OverloadedError") "},"
    "\n" RESPONSE("TimedOut", "M_UNKNOWN: a module that asks somebody else had no answer in time.") ","
    "\n'NoVerdict':{'description':'No verdict. No JSON, so that `fail_open` of synapse-http-antispam decides.',"
    "'content':{'text/plain':{'schema':{'type':'string'}}}}";
/* clang-format on */

void openapi_append_part(const char *part, struct buffer *json)
{
    for (; *part; part++)
        buffer_append_char(json, *part == '\'' ? '"' : *part);
}
