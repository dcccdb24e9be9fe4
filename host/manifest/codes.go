package manifest

import "slices"

// Code names a sort of finding, such as "SLP104". A code keeps its meaning
// for ever; one that is no longer raised is not used again.
type Code string

// Syntax and keys.
const (
	CodeUnreadable     Code = "SLP101"
	CodeSyntax         Code = "SLP102"
	CodeDuplicateKey   Code = "SLP103"
	CodeUnknownKey     Code = "SLP104"
	CodeKeyCase        Code = "SLP105"
	CodeNotYet         Code = "SLP106"
	CodeBadID          Code = "SLP107"
	CodeMissingKey     Code = "SLP108"
	CodeVersion        Code = "SLP109"
	CodeBadSet         Code = "SLP110"
	CodeArrayOfTables  Code = "SLP111"
	CodeReservedID     Code = "SLP112"
	CodeNestedTooDeep  Code = "SLP113"
	CodeNestedTableKey Code = "SLP114"
)

// Values.
const (
	CodeType            Code = "SLP201"
	CodeChoice          Code = "SLP202"
	CodeRange           Code = "SLP203"
	CodeDuration        Code = "SLP204"
	CodeSize            Code = "SLP205"
	CodeReference       Code = "SLP206"
	CodeUnsetVariable   Code = "SLP207"
	CodeUnreadableFile  Code = "SLP208"
	CodeStart           Code = "SLP209"
	CodeEndpoint        Code = "SLP210"
	CodeAddress         Code = "SLP211"
	CodeSHA256          Code = "SLP212"
	CodeTopicName       Code = "SLP213"
	CodeAppName         Code = "SLP214"
	CodeServers         Code = "SLP215"
	CodeOwnProperty     Code = "SLP216"
	CodeProperty        Code = "SLP217"
	CodePathEscapes     Code = "SLP218"
	CodeLiteralSecret   Code = "SLP219"
	CodeEmpty           Code = "SLP220"
	CodePropertyAsTable Code = "SLP221"
	CodeCron            Code = "SLP230"
	CodeZone            Code = "SLP231"
	CodeURL             Code = "SLP232"
	CodeAdminToken      Code = "SLP240"
)

// References and topology.
const (
	CodeUnknownRef       Code = "SLP301"
	CodeUnknownModule    Code = "SLP302"
	CodeUnknownCluster   Code = "SLP303"
	CodeAmbiguousID      Code = "SLP304"
	CodeSameTopic        Code = "SLP305"
	CodeNoSource         Code = "SLP306"
	CodeRepeated         Code = "SLP307"
	CodeWrongSide        Code = "SLP308"
	CodeProxyNoWriter    Code = "SLP309"
	CodeProxyNoReader    Code = "SLP310"
	CodeUnused           Code = "SLP311"
	CodeNoDeadLetters    Code = "SLP312"
	CodeDeadLetterLoop   Code = "SLP313"
	CodeDeadLetterUnused Code = "SLP314"
	CodeTopicLoop        Code = "SLP315"
	CodeCycle            Code = "SLP316"
	CodeNoHandler        Code = "SLP317"
	CodeWhichModule      Code = "SLP318"
	CodeTwoForms         Code = "SLP319"
	CodeFileLoop         Code = "SLP320"
	CodeNeedsCreate      Code = "SLP321"
)

// State: caches, repartitions and what exactly-once asks for.
const (
	CodeUnknownCache        Code = "SLP322"
	CodeCacheSetting        Code = "SLP323"
	CodeGlobalTopic         Code = "SLP324"
	CodeRepartitionEnd      Code = "SLP325"
	CodeNoPartition         Code = "SLP326"
	CodeStateClusters       Code = "SLP327"
	CodeTransactionClusters Code = "SLP328"
	CodeUnequalPartitions   Code = "SLP329"
	CodeTooManyCaches       Code = "SLP330"
	CodePartitioner         Code = "SLP331"
	CodeGlobalUpdates       Code = "SLP332"
	CodeCacheNoWriter       Code = "SLP333"
	CodePipe                Code = "SLP334"
	CodeUnknownCodec        Code = "SLP340"
	CodeCodecSetting        Code = "SLP341"
	CodeRegistryURL         Code = "SLP342"
)

// Sources and sinks outside Kafka.
const (
	CodeConnector Code = "SLP370"
	CodeExposed   Code = "SLP371"
)

// Modules and what a manifest binds to them; raised once a module is read.
const (
	CodeModuleMissing        Code = "SLP401"
	CodeCodecFunction        Code = "SLP445"
	CodeCodecSchema          Code = "SLP446"
	CodeModuleNotWasm        Code = "SLP402"
	CodeModuleExport         Code = "SLP403"
	CodeModuleABI            Code = "SLP404"
	CodeModuleImport         Code = "SLP405"
	CodeNoFunction           Code = "SLP406"
	CodeSinkNotDeclared      Code = "SLP407"
	CodeSinkNotBound         Code = "SLP408"
	CodeCacheNotDeclared     Code = "SLP409"
	CodeCacheNotBound        Code = "SLP410"
	CodeUnknownParam         Code = "SLP411"
	CodeMissingParam         Code = "SLP412"
	CodeParamType            Code = "SLP413"
	CodeCheckpointNotOffered Code = "SLP414"
	CodeModulePin            Code = "SLP415"
	CodeCapability           Code = "SLP416"
	CodeMixedSinks           Code = "SLP417"
	CodeModuleStart          Code = "SLP418"
	CodeModuleMemory         Code = "SLP419"
	CodeUnknownCustom        Code = "SLP430"
)

// What a broker answers; raised by `run` and `check --connect`.
const (
	CodeBrokerUnreachable  Code = "SLP501"
	CodeTopicMissing       Code = "SLP502"
	CodePartitionCount     Code = "SLP503"
	CodeClientRefused      Code = "SLP504"
	CodeGroupAssignor      Code = "SLP505"
	CodeNotAuthorised      Code = "SLP506"
	CodeNoCommittedOffset  Code = "SLP507"
	CodeTopicCreateRefused Code = "SLP508"
	CodeInternalTopic      Code = "SLP509"
	CodeTopicRecreated     Code = "SLP510"
	CodeRecordsGone        Code = "SLP511"
	CodeOffsetsReset       Code = "SLP512"
	CodeChangelogGone      Code = "SLP513"
	CodeNoTransactions     Code = "SLP514"
	CodeRegistry           Code = "SLP520"
)

// Stage is when a finding can be made.
type Stage string

// Stages, in the order in which a run passes them.
const (
	StageManifest Stage = "manifest"
	StageModule   Stage = "module"
	StageBroker   Stage = "broker"
	StageRun      Stage = "run"
)

// Explanation is what the table of codes says about a code.
type Explanation struct {
	Code  Code   `json:"code"`
	Title string `json:"title"`
	Stage Stage  `json:"stage"`
	Level Level  `json:"level"`
	// Text explains the finding in whole sentences.
	Text string `json:"text"`
	// Bad is a manifest (or a part of one) with the finding, Good one without.
	Bad  string `json:"bad"`
	Good string `json:"good"`
}

// Explain returns what there is to know about a code; ok is false for a code
// that does not exist.
func Explain(code Code) (e Explanation, ok bool) {
	for _, table := range catalogues() {
		for i := range table {
			if table[i].Code == code {
				return table[i].filled(), true
			}
		}
	}
	return Explanation{}, false
}

// Codes returns every code in ascending order.
func Codes() []Code {
	var out []Code
	for _, table := range catalogues() {
		for i := range table {
			out = append(out, table[i].Code)
		}
	}
	slices.Sort(out)
	return out
}

// filled adds what most entries leave out: the stage, which the first digit
// gives, and the level.
func (e Explanation) filled() Explanation {
	if e.Level == "" {
		e.Level = LevelError
	}
	if e.Stage == "" {
		switch e.Code[3] {
		case '4':
			e.Stage = StageModule
		case '5':
			e.Stage = StageBroker
		default:
			e.Stage = StageManifest
		}
	}
	return e
}

func catalogues() [10][]Explanation {
	return [10][]Explanation{
		keyCodes[:], valueCodes[:], referenceCodes[:], stateCodes[:], moduleCodes[:], brokerCodes[:],
		changeCodes[:], checkpointCodes[:], connectorCodes[:], codecCodes[:],
	}
}
